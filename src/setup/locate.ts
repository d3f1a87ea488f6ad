import { execFileSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { cacheRoot, hasNvidiaDriver, libraryFile, platformName } from './platform.js';
import { attempt, exists, isFile, isForbidden, jsonIn, namesIn, textOf } from '../files/look.js';

/** The version of libtorch that this version of Tessera is written for and tested with. */
export const LIBTORCH_VERSION = '2.13.0';

/** Minor versions that load with a warning: the schemas of a few operators differ. */
const TOLERATED = ['2.11', '2.14'];

/** Name of the file that is written last into a cached installation; a folder without it is ignored. */
export const STAMP_FILE = 'tessera.json';

export type Flavor = 'cpu' | 'cuda';

export interface Libtorch {
  /** Folder with lib/ and usually include/. */
  root: string;
  /** Folder of libc10 and libtorch_cpu. */
  lib: string;
  /** Folder of the headers, or null if there are only libraries. */
  include: string | null;
  /** Version without the build's suffix, such as `2.13.0`. */
  version: string;
  source: 'LIBTORCH' | 'cache' | 'python';
  flavor: Flavor;
}

/** Content of a folder, first the staging folder and then the installation, into which a source has been unpacked. */
export interface Stamp {
  version: string;
  flavor: Flavor;
  /** SHA-256 of the archive it was unpacked from; null for a folder given with --from. */
  sha256: string | null;
  /** Path of the libtorch root below the stamped folder: `.`, or `torch` in a site-packages layout. */
  root: string;
}

const MEND = 'run: npx tessera-torch setup';

/** Returns the folder of one cached installation, such as `~/.cache/tessera/libtorch/2.13.0-cpu-linux-x64`. */
export function installFolder(flavor: Flavor, version = LIBTORCH_VERSION, cache = cacheRoot()): string {
  return join(cache, 'libtorch', `${version}-${flavor}-${platformName()}`);
}

/**
 * Finds libtorch without loading it: by the LIBTORCH variable, else in the user's cache, else, with
 * LIBTORCH_USE_PYTORCH=1, in the torch package of `python3`.
 * @throws Error that names the command to run if there is none, or if its version is not supported
 */
export function locateLibtorch(env: NodeJS.ProcessEnv = process.env): Libtorch {
  const found = fromVariable(env) ?? fromCache(env) ?? fromPython(env);
  if (!found) {
    throw new Error(`libtorch ${LIBTORCH_VERSION} is not installed: LIBTORCH is not set and ${lacking(env)}`);
  }
  checkVersion(found);
  return found;
}

function fromVariable(env: NodeJS.ProcessEnv): Libtorch | null {
  const given = env['LIBTORCH'];
  if (!given) return null;
  const root = libtorchRoot(given);
  if (!root) {
    const libraries = `${libraryFile('c10')} and ${libraryFile('torch_cpu')}`;
    const reason = isForbidden(resolve(given))
      ? 'which this process may not read (node --permission); add --allow-fs-read for it'
      : isFile(given)
        ? 'which is a file; set it to the folder of an unpacked libtorch'
        : `but neither it nor its torch/ folder has a lib/ with ${libraries}; set it to an unpacked libtorch`;
    throw new Error(`LIBTORCH is ${given}, ${reason}, or unset it and ${MEND}`);
  }
  return describe(root, 'LIBTORCH');
}

/** Returns why the cache has no libtorch, and what to do. */
function lacking(env: NodeJS.ProcessEnv): string {
  const cache = existingCache(env);
  if (cache === null)
    return (
      'there is no home folder (HOME) to keep it in; set TESSERA_CACHE to a folder of yours, and ' + MEND
    );
  const folder = join(cache, 'libtorch');
  if (isForbidden(folder))
    return `this process may not read ${folder} (node --permission); add --allow-fs-read for it`;
  for (const path of [cache, folder])
    if (isFile(path))
      return `${path}, where it is kept, is a file; set TESSERA_CACHE to a folder, and ${MEND}`;
  return `${folder} contains none; ${MEND}`;
}

function fromCache(env: NodeJS.ProcessEnv): Libtorch | null {
  const cache = existingCache(env);
  if (cache === null) return null;
  const folders = cachedInstallations(cache);
  const wanted: Flavor = hasNvidiaDriver() ? 'cuda' : 'cpu';
  const best = folders
    .filter(({ stamp }) => versionVerdict(stamp.version) !== 'refused')
    .sort((a, b) => score(b.stamp, wanted) - score(a.stamp, wanted))[0];
  return best ? describe(join(best.folder, best.stamp.root), 'cache', best.stamp.version) : null;
}

/** Returns the cache's folder; null if there is no home folder, which is an error only once the cache is needed. */
const existingCache = (env: NodeJS.ProcessEnv): string | null => attempt(() => cacheRoot(env));

/** Returns the rank of an installation: the flavour for this machine counts most, then the pinned version. */
function score(stamp: Stamp, wanted: Flavor): number {
  return (stamp.flavor === wanted ? 2 : 0) + (stamp.version === LIBTORCH_VERSION ? 1 : 0);
}

/** Returns the complete installations in a cache folder: those with a readable stamp and their libraries. */
export function cachedInstallations(cache = cacheRoot()): { folder: string; stamp: Stamp }[] {
  const parent = join(cache, 'libtorch');
  const result: { folder: string; stamp: Stamp }[] = [];
  for (const name of namesIn(parent)) {
    const folder = join(parent, name);
    const stamp = name.endsWith(`-${platformName()}`) ? readStamp(folder) : null;
    if (stamp && libtorchRoot(join(folder, stamp.root))) result.push({ folder, stamp });
  }
  return result;
}

function readStamp(folder: string): Stamp | null {
  const stamp = jsonIn(join(folder, STAMP_FILE)) as Partial<Stamp> | null;
  const whole = typeof stamp?.version === 'string' && typeof stamp.root === 'string' && stamp.flavor;
  return whole ? (stamp as Stamp) : null;
}

function fromPython(env: NodeJS.ProcessEnv): Libtorch | null {
  const asked = env['LIBTORCH_USE_PYTORCH'];
  if (!asked || asked === '0') return null;
  const code = 'import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s else "")';
  let origin = '';
  try {
    origin = execFileSync('python3', ['-c', code], { encoding: 'utf8', env, stdio: 'pipe' }).trim();
  } catch (cause) {
    throw new Error(`LIBTORCH_USE_PYTORCH is set, but python3 could not be run; unset it and ${MEND}`, {
      cause,
    });
  }
  const root = origin ? libtorchRoot(dirname(origin)) : null;
  if (!root) throw new Error(`LIBTORCH_USE_PYTORCH is set, but python3 has no torch; unset it and ${MEND}`);
  return describe(root, 'python');
}

/** Returns the folder whose lib/ has libtorch: the given one, or its torch/ (in site-packages). Null if neither. */
export function libtorchRoot(folder: string): string | null {
  for (const root of [resolve(folder), join(resolve(folder), 'torch')]) {
    const whole = ['c10', 'torch_cpu'].every((name) => isFile(join(root, 'lib', libraryFile(name))));
    if (whole) return root;
  }
  return null;
}

function describe(root: string, source: Libtorch['source'], knownVersion?: string): Libtorch {
  const version = knownVersion ?? readVersion(root);
  if (!version) {
    throw new Error(
      `${root} contains libtorch, but not its version (in build-version, version.py or include/torch); ` +
        `Tessera needs ${LIBTORCH_VERSION}: ${MEND}`,
    );
  }
  const lib = join(root, 'lib');
  const include = join(root, 'include');
  const flavor: Flavor = isFile(join(lib, libraryFile('torch_cuda'))) ? 'cuda' : 'cpu';
  return { root, lib, include: exists(join(include, 'ATen')) ? include : null, version, source, flavor };
}

/** Reads the version from a libtorch folder, without suffixes like `+cpu`; null if it is not stated. */
export function readVersion(root: string): string | null {
  const places: [string, RegExp][] = [
    ['build-version', /^(\d+\.\d+\.\d+)/],
    ['version.py', /__version__ = ['"](\d+\.\d+\.\d+)/],
    ['include/torch/headeronly/version.h', /define TORCH_VERSION "(\d+\.\d+\.\d+)/],
    ['include/torch/csrc/api/include/torch/version.h', /define TORCH_VERSION "(\d+\.\d+\.\d+)/],
  ];
  for (const [file, pattern] of places) {
    const match = pattern.exec(textOf(join(root, file)) ?? '');
    if (match?.[1]) return match[1];
  }
  return null;
}

/** Returns whether a libtorch version is the pinned one, is tolerated with a warning, or is refused. */
export function versionVerdict(version: string): 'pinned' | 'tolerated' | 'refused' {
  if (version === LIBTORCH_VERSION) return 'pinned';
  const minor = version.split('.').slice(0, 2).join('.');
  return TOLERATED.includes(minor) || LIBTORCH_VERSION.startsWith(`${minor}.`) ? 'tolerated' : 'refused';
}

const warned = new Set<string>();

function checkVersion(found: Libtorch): void {
  const verdict = versionVerdict(found.version);
  if (verdict === 'refused') {
    throw new Error(
      `libtorch ${found.version} at ${found.root} is not supported: Tessera needs ${LIBTORCH_VERSION} ` +
        `(${TOLERATED.join(' and ')} are tolerated); unset ${found.source === 'python' ? 'LIBTORCH_USE_PYTORCH' : 'LIBTORCH'} and ${MEND}`,
    );
  }
  if (verdict === 'tolerated' && !warned.has(found.root)) {
    warned.add(found.root);
    process.emitWarning(
      `libtorch ${found.version} at ${found.root}: Tessera is tested with ${LIBTORCH_VERSION}; some operators may be missing`,
    );
  }
}
