import { homedir, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { attempt, exists, namesIn } from '../files/look.js';

/** Returns the platform's name as npm and the platform packages write it: `linux-x64`, `darwin-arm64`, … */
export function platformName(): string {
  return `${process.platform}-${process.arch}`;
}

/** Returns the file name of a shared library: `c10` → `libc10.so`, `libc10.dylib` or `c10.dll`. */
export function libraryFile(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return `${name}.dll`;
  return platform === 'darwin' ? `lib${name}.dylib` : `lib${name}.so`;
}

/**
 * Returns the folder for downloads and unpacked libraries: TESSERA_CACHE, else XDG_CACHE_HOME/tessera, else
 * ~/.cache/tessera.
 * @throws Error that names TESSERA_CACHE if there is no home folder
 */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env, home = homeFolder): string {
  if (env['TESSERA_CACHE']) return resolve(env['TESSERA_CACHE']);
  const cache = env['XDG_CACHE_HOME'];
  // The XDG standard says to ignore a relative path: it would be another place in every working folder.
  if (cache && isAbsolute(cache)) return join(cache, 'tessera');
  const folder = home();
  if (folder !== null) return join(folder, '.cache', 'tessera');
  throw new Error(
    'there is no home folder to keep libtorch in: HOME is not set to one, and this user has no entry in the list ' +
      'of users; set TESSERA_CACHE to a folder of yours',
  );
}

/** Returns the home folder from HOME, else from the list of users; null if neither names one. */
function homeFolder(): string | null {
  for (const ask of [homedir, () => userInfo().homedir]) {
    // Null if the user has no entry, as in a container that runs under a numeric id.
    const folder = attempt(ask);
    if (folder && isAbsolute(folder)) return folder;
  }
  return null;
}

/** Returns the version of glibc, such as `2.36`; null on musl, macOS and Windows. */
export function glibcVersion(): string | null {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime ?? null;
}

/** True if an NVIDIA driver is loaded. Looks only at files: opening the driver library can take a second. */
export function hasNvidiaDriver(): boolean {
  if (process.platform === 'win32') return exists('C:\\Windows\\System32\\nvcuda.dll');
  if (exists('/proc/driver/nvidia/version') || exists('/usr/lib/wsl/lib/libcuda.so.1')) return true;
  return namesIn('/dev').some((name) => /^nvidia\d+$/.test(name));
}
