/** Folders that `npm run pack` packs. Their content is defined by `files` in package.json. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { platformPackage } from '../../src/setup/addon-path.js';
import { packageRoot } from '../../src/files/package.js';
import { bundle } from '../bundle.js';

export type Manifest = Record<string, unknown> & {
  name: string;
  version: string;
  files: string[];
  dependencies: Record<string, string>;
};

/** Output of npm about a package that it has packed, or would pack. */
export interface Packed {
  filename: string;
  size: number;
  files: { path: string }[];
}

export const root = packageRoot();
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** The folder of compiled files, which staging creates. */
const COMPILED = 'dist';

/** Parts of the addon that are built only if their headers are found. */
const OPTIONAL_PARTS = ['tessera_openmp.node', 'tessera_graph.so'];

/**
 * Fields only for the checkout. Without scripts, nothing is run when the package is installed or packed;
 * `private` keeps the checkout itself, whose manifest does not name the addon, from being published.
 */
const CHECKOUT_ONLY = ['private', 'scripts', 'devDependencies', 'allowScripts'];

/** Compiles from scratch, without files of an earlier build or maps to sources that are not in the package. */
export async function compile(into: string): Promise<void> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const flags = ['--incremental', 'false', '--declarationMap', 'false'];
  const outDir = ['--outDir', into, '--tsBuildInfoFile', 'null'];
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...flags, ...outDir], {
    cwd: root,
    stdio: 'inherit',
  });
  await bundle(into);
}

/** Copies an earlier build, which is faster, for tests of the other files. */
export async function copyCompiled(into: string): Promise<void> {
  await cp(join(root, COMPILED), into, { recursive: true });
}

/** Fills `folder` with the main package: JavaScript and types from `fill`, and the other files of the manifest. */
export async function stageMain(
  folder: string,
  fill: (into: string) => Promise<void> = compile,
): Promise<void> {
  await fill(join(folder, COMPILED));
  chmodSync(join(folder, COMPILED, 'cli', 'main.js'), 0o755);
  for (const name of manifest.files.filter((file) => file !== COMPILED))
    cpSync(join(root, name), join(folder, name), { recursive: true });
  const kept = Object.fromEntries(Object.entries(manifest).filter(([key]) => !CHECKOUT_ONLY.includes(key)));
  writeManifest(folder, { ...kept, optionalDependencies: { [platformPackage()]: manifest.version } });
}

/** Fills `folder` with the package of this platform: the stripped addon, and the libraries built with it. */
export function stagePlatform(folder: string, addon: string): void {
  const parts = OPTIONAL_PARTS.filter((name) => existsSync(join(dirname(addon), name)));
  const files = ['tessera.node', ...parts];
  for (const name of files) {
    const packed = join(folder, name);
    copyFileSync(name === 'tessera.node' ? addon : join(dirname(addon), name), packed);
    execFileSync('strip', process.platform === 'darwin' ? ['-x', packed] : ['--strip-unneeded', packed]);
  }
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(
    join(folder, 'README.md'),
    `The native addon of ${manifest.name} for ${process.platform}-${process.arch}.\n`,
  );
  writeManifest(folder, {
    name: platformPackage(),
    version: manifest.version,
    description: `The native addon of ${manifest.name} for ${process.platform}-${process.arch}`,
    license: manifest['license'],
    engines: manifest['engines'],
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === 'linux' && { libc: ['glibc'] }),
    files,
  });
}

/** Packs a staged folder, or with `--dry-run` only lists its content. */
export function npmPack(folder: string, ...flags: string[]): Packed {
  const out = execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...flags, folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(out) as Packed[];
  if (packed === undefined) throw new Error(`npm pack ${folder} returned no package`);
  return packed;
}

function writeManifest(folder: string, content: Record<string, unknown>): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}
