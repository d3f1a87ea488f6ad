import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PREBUILT_PLATFORMS, builtAddon, installCommand, packageFolder } from './addon-path.js';
import { writeAtomically } from '../files/atomic-file.js';
import { jsonIn } from '../files/look.js';
import { withLock } from '../files/lock.js';
import type { Libtorch } from './locate.js';
import { packageRoot } from '../files/package.js';
import { platformName } from './platform.js';
import { unwritable } from './unwritable.js';
import type { Progress } from './progress.js';
import { commandVersion, run } from './run.js';

export interface BuildOptions {
  libtorch: Libtorch;
  progress: Progress;
  /** Folder with CMakeLists.txt and native/; the package by default. */
  root?: string;
  /** Build even when nothing changed. */
  force?: boolean;
  signal?: AbortSignal | undefined;
}

const CMAKE_MINIMUM = [3, 20] as const;

/** Number of lines shown of a failed build's output: compilers print much, and the cause is at the end. */
const TAIL = 40;

/**
 * Builds the addon with cmake-js against the given libtorch, unless the existing one was built from the
 * same sources. Returns its path.
 * @throws Error with the missing tool and the command that installs it, or with the compiler's last lines
 */
export async function buildAddon(options: BuildOptions): Promise<string> {
  const root = options.root ?? packageRoot();
  const folder = join(root, 'build');
  const { progress, signal } = options;
  const onWait = (holder: string) => progress.line(`another build is running (${holder}); waiting for it`);
  // A build removes its stamp first and writes it last, so a matching stamp can be trusted without the lock; a
  // complete installation may be read-only.
  if (isUpToDate(root, options)) return builtAddon(root);
  try {
    await mkdir(folder, { recursive: true });
    return await withLock(join(folder, '.lock'), () => buildLocked(root, options), { onWait, signal });
  } catch (error) {
    throw unwritable(
      error,
      folder,
      'make it writable, or build in a copy of the package and set TESSERA_ADDON',
    );
  }
}

function isUpToDate(root: string, { force, libtorch, progress }: BuildOptions): boolean {
  const stamp = jsonIn(stampPath(root)) as { inputs?: string } | null;
  const fits = force !== true && existsSync(builtAddon(root)) && stamp?.inputs === hashInputs(root, libtorch);
  if (fits) progress.line('the addon is up to date');
  return fits;
}

const stampPath = (root: string): string => join(root, 'build', 'tessera-build.json');

async function buildLocked(root: string, options: BuildOptions): Promise<string> {
  const { libtorch, progress, signal } = options;
  const addon = builtAddon(root);
  const stampFile = stampPath(root);
  if (isUpToDate(root, options)) return addon;
  const inputs = hashInputs(root, libtorch);
  if (!libtorch.include) {
    throw new Error(
      `${libtorch.root} has no headers (include/); get a complete libtorch with: npx tessera-torch setup`,
    );
  }
  const cmakeJs = findCmakeJs(root);
  await requireTools();
  await rm(stampFile, { force: true });
  await forgetOtherLibtorch(root, libtorch);
  const ninja = (await commandVersion('ninja')) !== null;
  progress.line(`building the addon with ${ninja ? 'ninja' : 'make'} against libtorch ${libtorch.version}`);
  const started = Date.now();
  const args = [cmakeJs, 'compile', '--directory', root, `--CDTESSERA_LIBTORCH=${libtorch.root}`];
  if (ninja) args.push('-G', 'Ninja');
  const result = await run(process.execPath, args, { cwd: root, onLine: showStep(progress), signal });
  if (result.code !== 0 || !existsSync(addon)) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-TAIL).join('\n');
    throw new Error(`the addon could not be built (cmake-js ended with code ${result.code}):\n${tail}`);
  }
  await writeAtomically(stampFile, `${JSON.stringify({ inputs, libtorch: libtorch.version })}\n`);
  progress.line(`built ${addon} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return addon;
}

/** Removes CMake's cache if it is for another libtorch: CMake keeps the paths of its first configuration. */
async function forgetOtherLibtorch(root: string, libtorch: Libtorch): Promise<void> {
  const cacheFile = join(root, 'build', 'CMakeCache.txt');
  if (!existsSync(cacheFile)) return;
  const configured = /^TESSERA_LIBTORCH(?::\w+)?=(.*)$/m.exec(readFileSync(cacheFile, 'utf8'))?.[1];
  if (configured !== libtorch.root) await rm(cacheFile);
}

/** Returns a listener that turns ninja's `[3/12] …` and make's `[ 25%] …` into progress. */
function showStep(progress: Progress): (line: string) => void {
  return (line) => {
    const step = /^\[\s*(\d+)(?:\/(\d+)|%)\]/.exec(line);
    if (step) progress.step('compiling', Number(step[1]), Number(step[2] ?? 100));
  };
}

/** Returns a digest of everything that the addon is built from: native sources, CMakeLists.txt, libtorch, platform. */
export function hashInputs(root: string, libtorch: Libtorch): string {
  const hash = createHash('sha256');
  const native = join(root, 'native');
  const sources = readdirSync(native, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(cc|h)$/.test(name),
  );
  for (const file of ['CMakeLists.txt', ...sources.sort().map((name) => join('native', name))]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  hash.update(
    `${libtorch.root}\0${libtorch.version}\0${libtorch.flavor}\0${process.platform}-${process.arch}`,
  );
  return hash.digest('hex');
}

/** Finds cmake-js, a development dependency: a checkout has it, an installed package may use its user's. */
function findCmakeJs(root: string): string {
  for (const base of [root, process.cwd()]) {
    const folder = packageFolder('cmake-js', base);
    if (folder) return join(folder, 'bin', 'cmake-js'); // Else the next folder may have it.
  }
  const prebuilt = PREBUILT_PLATFORMS.includes(platformName());
  throw new Error(
    'building the addon needs cmake-js and the Node-API headers; install them with: ' +
      'npm install --save-dev cmake-js@8 node-addon-api@8 node-api-headers@1' +
      (prebuilt ? `; or install the prebuilt addon with: ${installCommand(root)}` : ''),
  );
}

async function requireTools(): Promise<void> {
  const cmake = await commandVersion('cmake');
  if (cmake === null) throw new Error(`cmake is not installed; ${installHint('cmake')}`);
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(cmake) ?? []).slice(1).map(Number);
  if (major < CMAKE_MINIMUM[0] || (major === CMAKE_MINIMUM[0] && minor < CMAKE_MINIMUM[1])) {
    throw new Error(
      `${cmake.trim()} is too old: ${CMAKE_MINIMUM.join('.')} is needed; install a newer one with: pip install cmake`,
    );
  }
  if (process.platform === 'win32') return; // CMake finds Visual Studio itself, and reports if it is missing.
  const compilers = [process.env['CXX'], 'c++', 'g++', 'clang++'].filter((name) => name !== undefined);
  for (const compiler of compilers) if ((await commandVersion(compiler)) !== null) return;
  throw new Error(`no C++ compiler is installed; ${installHint('g++')}`);
}

function installHint(tool: 'cmake' | 'g++'): string {
  if (process.platform === 'darwin') {
    return tool === 'cmake'
      ? 'install it with: brew install cmake'
      : 'install one with: xcode-select --install';
  }
  if (existsSync('/usr/bin/dnf'))
    return `install with: sudo dnf install ${tool === 'cmake' ? 'cmake' : 'gcc-c++'}`;
  return `install with: sudo apt-get install ${tool === 'cmake' ? 'cmake ninja-build' : 'g++ make'}`;
}
