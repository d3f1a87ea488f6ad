/**
 * `npm run gpu-pack`: packs the files that `scripts/gpu-check` needs on a machine without Node and without a package
 * registry into .gpu-pack: this process's Node, the packages that run the checks, and dist/. The repository provides
 * the sources.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hashOfSources } from './gpu/sources.js';

const LIMIT = 45e6;
const target = '.gpu-pack';
const roots = ['tsx', 'ava', 'node-addon-api', 'node-api-headers'];

interface Manifest {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/**
 * Returns the folder in which Node finds a package from a folder inside node_modules; null if an optional one is
 * missing.
 */
function find(name: string, from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder) || folder === '.') return null;
  }
}

/** Returns the folders of all packages needed to run these, relative to the current folder. */
function closure(names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string, from: string, required: boolean): void => {
    const folder = find(name, from);
    if (folder === null) {
      if (required) throw new Error(`${name} is not installed; run npm ci`);
      return;
    }
    if (found.has(folder)) return;
    found.add(folder);
    const { dependencies, optionalDependencies, peerDependencies } = manifestOf(folder);
    for (const dependency of Object.keys(dependencies ?? {})) {
      visit(dependency, folder, optionalDependencies?.[dependency] === undefined);
    }
    for (const dependency of Object.keys({ ...optionalDependencies, ...peerDependencies })) {
      visit(dependency, folder, false);
    }
  };
  for (const name of names) visit(name, '.', true);
  return found;
}

/** True for files needed at run time: not for source maps, types and documents. */
function runs(path: string): boolean {
  return (
    !/\.(map|md|markdown|d\.ts|d\.mts|d\.cts)$|\/(test|tests|docs|\.github)$/.test(path) && !/musl/.test(path)
  );
}

const staging = mkdtempSync(join(tmpdir(), 'tessera-gpu-pack-'));
try {
  const folders = closure([...Object.keys(manifestOf('.').dependencies ?? {}), ...roots]);
  const modules = realpathSync('node_modules');
  for (const folder of folders) {
    // A package nested in another one's folder is included with it.
    const inner = folder.split('node_modules').length > 2;
    if (inner) continue;
    const from = join(modules, folder.slice('node_modules/'.length));
    cpSync(from, join(staging, folder), { recursive: true, dereference: true, filter: (path) => runs(path) });
  }
  cpSync('dist', join(staging, 'dist'), { recursive: true, filter: (path) => runs(path) });
  mkdirSync(join(staging, 'build', 'gpu'), { recursive: true });
  cpSync(process.execPath, join(staging, 'build', 'gpu', 'node'));
  const manifest = { sources: hashOfSources(), node: process.version, packages: [...folders].sort() };
  writeFileSync(join(staging, 'build', 'gpu', 'manifest.json'), JSON.stringify(manifest, null, 1));

  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const archive = join(target, 'pack.tar.xz');
  console.log(`packing Node ${process.version}, ${folders.size} packages and dist; this takes a minute`);
  execFileSync(
    'tar',
    ['--create', '--xz', '--file', archive, '--directory', staging, '--owner=0', '--group=0', '.'],
    {
      env: { ...process.env, XZ_OPT: '-6 --threads=0' },
      stdio: 'inherit',
    },
  );
  writeFileSync(join(target, 'sha256'), createHash('sha256').update(readFileSync(archive)).digest('hex'));
  const { size } = statSync(archive);
  console.log(`${archive}: ${(size / 1e6).toFixed(1)} MB`);
  if (size > LIMIT) throw new Error(`that is more than ${LIMIT / 1e6} MB`);
} finally {
  rmSync(staging, { recursive: true, force: true });
}
