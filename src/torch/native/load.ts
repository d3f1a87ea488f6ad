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

// dlopen's flag on Linux that keeps a library for the life of the process, missing from Node's constants.
const RTLD_NODELETE = process.platform === 'linux' ? 0x1000 : 0;

/** What Node, Bun and Deno say of a library that is open now and is no addon. */
const NO_ADDON =
  /did not self-register|Module version mismatch|not a valid|napi_register_module|register Node-API module/i;

// Before libtorch is looked for: another version's may be another one.
const earlierAddon = addonOfThread();

/** The libtorch that this process has loaded. */
export const libtorch: Libtorch = locateLibtorch();

/** The reason why CUDA's libraries, though they are there, could not be opened; null where there is none. */
export let cudaLoadError: string | null = null;

/** The loaded addon. */
export const native: Binding = load();

/** Between these, none of the classes that the addon uses has changed; its operators go by their schemas. */
const ALIKE = ['2.13', '2.14'];

/** Why the addon cannot use CUDA with the libtorch it has met; null where they fit together. */
export const addonMismatch: string | null = compare();

function compare(): string | null {
  const against = native.builtAgainst();
  const minors = [against, libtorch.version].map((version) => version.split('.').slice(0, 2).join('.'));
  if (minors[0] === minors[1] || minors.every((minor) => ALIKE.includes(minor))) return null;
  const text = `the addon was built against libtorch ${against}, and this is ${libtorch.version}; run: npx tessera-torch setup --build`;
  process.emitWarning(text);
  return text;
}

// libgomp's threads spin while they wait, for milliseconds: beside another busy process a training step then takes up
// to eighty times as long. With a thirtieth of that they still meet the next operator awake: with a three-hundredth
// small operators took twice as long on an idle machine. Read once, when the library is opened.
function limitSpinning(addon: string): void {
  if (process.env['OMP_WAIT_POLICY'] !== undefined) return;
  const count = (process.env['GOMP_SPINCOUNT'] ??= '10000');
  // A worker's environment is a copy, and libgomp reads the process's.
  const helper = join(dirname(addon), 'tessera_openmp.node');
  if (isMainThread || !isFile(helper)) return;
  (createRequire(helper)(helper) as { limitSpinning(count: string): void }).limitSpinning(count);
}

/** Intel's MKL, inside libtorch, ends a process whose working folder was deleted. */
function requireWorkingFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    const text =
      'the folder this was started in is gone, and libtorch does not load there; change to one that is there';
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
    if (!addon.endsWith('.node')) throw new Error('the name of an addon ends in .node');
    const binding = createRequire(addon)(addon) as Binding;
    if (earlierAddon === null) setAddonOfThread(addon);
    return binding;
  } catch (error) {
    // A runtime's complaint about a library, in words that are not known here, counts only where the addon fails too.
    if (failures[0] !== undefined) throw failures[0];
    throw new Error(
      `the addon ${addon} does not load with the libtorch ${libtorch.version} in ${libtorch.lib}: ` +
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
 * Opens a library under its full path, so that the addon, which names it without a path, finds it loaded.
 * `process.dlopen` is made for addons and complains that this is none, but the library stays open.
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
    throw new Error(`${path} does not load: ${message}; ${wayOut(message)}`, { cause: error });
  }
}

/** What to do about a library that the system does not open. */
function wayOut(message: string): string {
  if (!/failed to map segment|Operation not permitted/.test(message)) return 'run: npx tessera-torch doctor';
  return (
    'its file system seems to be mounted noexec, where no program may lie; set TESSERA_CACHE (or LIBTORCH) to a folder ' +
    'on another one, then run: npx tessera-torch setup'
  );
}
