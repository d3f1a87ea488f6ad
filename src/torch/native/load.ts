import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { Binding } from './binding.js';
import { addonOfThread, setAddonOfThread } from './first-copy.js';
import { locateAddon } from '../../setup/addon-path.js';
import { locateLibtorch, type Libtorch } from '../../setup/locate.js';
import { libraryFile } from '../../setup/platform.js';
import { isFile } from '../../files/look.js';

// A flag of Linux's dlopen that keeps a library loaded until the process ends; missing from Node's constants.
const RTLD_NODELETE = process.platform === 'linux' ? 0x1000 : 0;

/** The messages of Node, Bun and Deno for a library that was opened but is not an addon. */
const NO_ADDON =
  /did not self-register|Module version mismatch|not a valid|napi_register_module|register Node-API module/i;

// Before libtorch is located: another version may use another one.
const earlierAddon = addonOfThread();

/** The libtorch that this process has loaded. */
export const libtorch: Libtorch = locateLibtorch();

/** The reason why CUDA's libraries, although present, could not be opened; otherwise null. */
export let cudaLoadError: string | null = null;

/** The loaded addon. */
export const native: Binding = load();

/** Within this range none of the classes that the addon uses has changed; operators are found by their schemas. */
const ALIKE = ['2.13', '2.14'];

/** The reason why the addon cannot use CUDA with the loaded libtorch; null if it can. */
export const addonMismatch: string | null = compare();

function compare(): string | null {
  const against = native.builtAgainst();
  const minors = [against, libtorch.version].map((version) => version.split('.').slice(0, 2).join('.'));
  if (minors[0] === minors[1] || minors.every((minor) => ALIKE.includes(minor))) return null;
  const text = `the addon was built against libtorch ${against}, but the loaded version is ${libtorch.version}; run: npx tessera-torch setup --build`;
  process.emitWarning(text);
  return text;
}

// libgomp's threads spin for milliseconds while they wait: next to another busy process a training step then takes up
// to eighty times as long. With a thirtieth of that spin count they are still awake for the next operator; with a
// three-hundredth, small operators took twice as long on an idle machine. Read once, when the library is opened.
function limitSpinning(addon: string): void {
  if (process.env['OMP_WAIT_POLICY'] !== undefined) return;
  const count = (process.env['GOMP_SPINCOUNT'] ??= '10000');
  // A worker's environment is a copy, but libgomp reads the process's.
  const helper = join(dirname(addon), 'tessera_openmp.node');
  if (isMainThread || !isFile(helper)) return;
  (createRequire(helper)(helper) as { limitSpinning(count: string): void }).limitSpinning(count);
}

/** Throws if the working folder was deleted: Intel's MKL, inside libtorch, would end the process. */
function requireWorkingFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    const text =
      'the working directory no longer exists, and libtorch cannot be loaded from it; change to an existing directory';
    throw new Error(text, { cause });
  }
}

function load(): Binding {
  requireWorkingFolder();
  const addon = earlierAddon ?? locateAddon();
  limitSpinning(addon);
  const failures = ['c10', 'torch_cpu'].flatMap((name) => tryLibrary(join(libtorch.lib, libraryFile(name))));
  // Before the first operator or availability query: libtorch looks for CUDA once and remembers the answer.
  const cuda = join(libtorch.lib, libraryFile('torch_cuda'));
  if (isFile(cuda) && process.env['TESSERA_CUDA'] !== '0')
    cudaLoadError = tryLibrary(cuda)[0]?.message ?? null;
  try {
    if (!addon.endsWith('.node')) throw new Error('the file name of an addon must end in .node');
    const binding = createRequire(addon)(addon) as Binding;
    if (earlierAddon === null) setAddonOfThread(addon);
    return binding;
  } catch (error) {
    // An unrecognised complaint by the runtime about a library counts only if the addon fails to load too.
    if (failures[0] !== undefined) throw failures[0];
    throw new Error(
      `the addon ${addon} cannot be loaded with libtorch ${libtorch.version} in ${libtorch.lib}: ` +
        `${(error as Error).message}; run: npx tessera-torch doctor`,
      { cause: error },
    );
  }
}

function tryLibrary(path: string): Error[] {
  try {
    openLibrary(path);
    return [];
  } catch (error) {
    return [error as Error];
  }
}

/**
 * Opens a library under its full path, so that the addon, which refers to it without a path, finds it loaded.
 * `process.dlopen` is made for addons and complains that this is not an addon, but the library stays open.
 */
export function openLibrary(path: string): void {
  try {
    process.dlopen(
      { exports: {} },
      path,
      constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE,
    );
  } catch (error) {
    const message = (error as Error).message;
    if (NO_ADDON.test(message)) return;
    throw new Error(`cannot load ${path}: ${message}; ${wayOut(message)}`, { cause: error });
  }
}

/** Returns what to do about a library that the system does not open. */
function wayOut(message: string): string {
  if (!/failed to map segment|Operation not permitted/.test(message)) return 'run: npx tessera-torch doctor';
  return (
    'its file system seems to be mounted noexec, which forbids loading libraries; set TESSERA_CACHE (or LIBTORCH) to a folder ' +
    'on another one, then run: npx tessera-torch setup'
  );
}
