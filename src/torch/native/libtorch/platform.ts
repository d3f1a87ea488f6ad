import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Names the platform as npm does and as our platform packages end: `linux-x64`, `darwin-arm64`, … */
export function platformName(): string {
  return `${process.platform}-${process.arch}`;
}

/** File name of a shared library here: `c10` → `libc10.so`, `libc10.dylib` or `c10.dll`. */
export function libraryFile(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return `${name}.dll`;
  return platform === 'darwin' ? `lib${name}.dylib` : `lib${name}.so`;
}

/** The folder with package.json: this file lies four levels below it, in src/ as in dist/. */
export function packageRoot(): string {
  return fileURLToPath(new URL('../../../../', import.meta.url));
}

/** Where downloads and unpacked libraries live: TESSERA_CACHE, else XDG_CACHE_HOME/tessera, else ~/.cache/tessera. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env['TESSERA_CACHE']) return resolve(env['TESSERA_CACHE']);
  if (env['XDG_CACHE_HOME']) return join(resolve(env['XDG_CACHE_HOME']), 'tessera');
  return join(homedir(), '.cache', 'tessera');
}

/** Version of glibc as `2.36`, or null on musl, macOS and Windows. */
export function glibcVersion(): string | null {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime ?? null;
}

/** Whether an NVIDIA driver is loaded. Looks at files only: opening the driver library can take a second. */
export function hasNvidiaDriver(): boolean {
  if (process.platform === 'win32') return existsSync('C:\\Windows\\System32\\nvcuda.dll');
  if (existsSync('/proc/driver/nvidia/version') || existsSync('/usr/lib/wsl/lib/libcuda.so.1')) return true;
  try {
    return readdirSync('/dev').some((name) => /^nvidia\d+$/.test(name));
  } catch {
    return false;
  }
}
