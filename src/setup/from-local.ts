import { existsSync, statSync } from 'node:fs';
import { cp, mkdir, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { sha256File } from './checksum.js';
import { LIBTORCH_VERSION, libtorchRoot, readVersion, versionVerdict } from './locate.js';
import type { Flavor, Stamp } from './locate.js';
import { ARCHIVES, type Archive } from './manifest.js';
import { libraryFile, platformName } from './platform.js';
import { checkSpace, unpackArchive, type InstallOptions } from './stage.js';
import { selectLibtorch } from './unpack.js';

/** Disk space to require for a file that is not in the manifest: a zip of libtorch grows about fourfold. */
const GROWTH = 4;

/** Unpacks or copies libtorch from a local file or folder. A file must be in the manifest, or `allowUnverified` set. */
export async function fetchLocal(options: InstallOptions, tree: string): Promise<Stamp> {
  const from = resolve(options.from ?? '');
  if (!existsSync(from)) throw new Error(`--from ${options.from}: there is no such file or folder`);
  const { archives = ARCHIVES } = options;
  if (!statSync(from).isDirectory()) return fetchFile(from, options, tree);
  const root = libtorchRoot(from) ?? libtorchRoot(join(from, 'libtorch'));
  if (root) return copyFolder(root, options, tree);
  const names = await readdir(from);
  const listed = archives.find(({ file, flavor }) => flavor === options.flavor && names.includes(file));
  if (listed) return fetchFile(join(from, listed.file), options, tree);
  throw new Error(
    `${from} contains neither an unpacked libtorch nor one of: ${archives.map((a) => a.file).join(', ')}`,
  );
}

async function fetchFile(path: string, options: InstallOptions, tree: string): Promise<Stamp> {
  const { progress, signal, flavor, archives = ARCHIVES } = options;
  const { size } = await stat(path);
  progress.line(`checking ${path}`);
  const sha256 = await sha256File(path, signal);
  const known = archives.find((archive) => archive.sha256 === sha256);
  if (!known && !options.allowUnverified) throw new Error(unknownFile(path, sha256, archives));
  if (known && known.platform !== platformName()) {
    throw new Error(`${basename(path)} is libtorch for ${known.platform}, this machine is ${platformName()}`);
  }
  await mkdir(tree);
  await checkSpace(tree, known?.unpackedBytes ?? size * GROWTH);
  if (known) return unpackArchive(known, path, tree, progress, signal);
  const staged = await unpackArchive({ flavor, version: '', sha256 }, path, tree, progress, signal);
  return adopt(staged, path, tree);
}

function unknownFile(path: string, sha256: string, archives: Archive[]): string {
  const name = basename(path).replace('%2B', '+');
  const named = archives.find(({ file }) => file === name);
  if (named) {
    return `${path} is not the expected file: SHA-256 is ${sha256}, expected ${named.sha256}; download it again`;
  }
  return (
    `${path} is not one of the known libtorch files: its SHA-256 is ${sha256}. Expected one of ` +
    `${archives.map(({ file }) => file).join(', ')}; if you trust it, add --allow-unverified`
  );
}

async function copyFolder(root: string, options: InstallOptions, tree: string): Promise<Stamp> {
  options.progress.line(`copying ${root}`);
  await mkdir(tree);
  const inner = existsSync(join(root, 'lib', libraryFile('torch_cuda'))) ? 'torch' : '.';
  for (const part of ['lib', 'include', 'build-version', 'version.py']) {
    const source = join(root, part);
    if (!existsSync(source)) continue;
    const filter = (path: string) =>
      (statSync(path).isDirectory() && (path === source || part === 'include')) ||
      selectLibtorch(`libtorch/${part}${path.slice(source.length)}`) !== null;
    await cp(source, join(tree, inner, part), { recursive: true, dereference: true, filter });
  }
  return adopt({ flavor: options.flavor, version: '', sha256: null, root: inner }, root, tree);
}

/** Fills in what only the unpacked libraries show: their version, and whether they are a CUDA build. */
function adopt(staged: Stamp, origin: string, tree: string): Stamp {
  const root = join(tree, staged.root);
  const version = readVersion(root);
  if (!version)
    throw new Error(`${origin} does not state its libtorch version; Tessera needs ${LIBTORCH_VERSION}`);
  if (versionVerdict(version) === 'refused') {
    throw new Error(`${origin} is libtorch ${version}; Tessera needs ${LIBTORCH_VERSION}`);
  }
  const flavor: Flavor = existsSync(join(root, 'lib', libraryFile('torch_cuda'))) ? 'cuda' : 'cpu';
  return { ...staged, version, flavor };
}
