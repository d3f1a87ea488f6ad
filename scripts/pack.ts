/**
 * Writes the npm packages into dist-packages/: `tessera-torch` (JavaScript, types and the native sources, no
 * binary) and `tessera-torch-<platform>` (just the built addon). Run it with: npm run pack
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { builtAddon, platformPackage } from '../src/torch/native/libtorch/addon-path.js';
import { buildAddon } from '../src/torch/native/libtorch/build-addon.js';
import { locateLibtorch } from '../src/torch/native/libtorch/locate.js';
import { packageRoot } from '../src/torch/native/libtorch/platform.js';
import { newestVersions } from './symbol-versions.js';

type Manifest = Record<string, unknown> & { name: string; version: string };

const root = packageRoot();
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const target = join(root, 'dist-packages');

/**
 * Fields that serve the checkout only. Without scripts, nothing runs where the package is installed or packed;
 * `private` keeps the checkout itself, whose manifest does not name the addon, from being published.
 */
const CHECKOUT_ONLY = ['private', 'scripts', 'devDependencies', 'ava', 'allowScripts'];

function writeManifest(folder: string, content: Record<string, unknown>): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

/** Compiles afresh, so that no file of an earlier build slips in, and without maps to sources that are not shipped. */
function stageMain(folder: string): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const flags = ['--incremental', 'false', '--sourceMap', 'false', '--declarationMap', 'false'];
  const outDir = ['--outDir', join(folder, 'dist'), '--tsBuildInfoFile', 'null'];
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...flags, ...outDir], {
    cwd: root,
    stdio: 'inherit',
  });
  chmodSync(join(folder, 'dist', 'cli', 'main.js'), 0o755);
  for (const name of ['native', 'CMakeLists.txt', 'README.md', 'LICENSE']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  const kept = Object.fromEntries(Object.entries(manifest).filter(([key]) => !CHECKOUT_ONLY.includes(key)));
  writeManifest(folder, { ...kept, optionalDependencies: { [platformPackage()]: manifest.version } });
}

/** The addon, and what it loads before libtorch. */
const BINARIES = ['tessera.node', 'tessera_openmp.node'];

function stagePlatform(folder: string, addon: string): void {
  for (const name of BINARIES) {
    const packed = join(folder, name);
    copyFileSync(join(dirname(addon), name), packed);
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
    files: BINARIES,
  });
}

function pack(folder: string): void {
  const out = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', target, folder],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const [entry] = JSON.parse(out) as { filename: string; size: number; entryCount: number }[];
  if (entry)
    console.log(`${join('dist-packages', entry.filename)}  ${entry.entryCount} files, ${entry.size} bytes`);
}

const progress = { line: (text: string) => console.log(text), step() {} };
await buildAddon({ libtorch: locateLibtorch(), progress });
const staging = mkdtempSync(join(tmpdir(), 'tessera-pack-'));
try {
  const main = join(staging, 'main');
  const platform = join(staging, 'platform');
  for (const folder of [main, platform]) mkdirSync(folder);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  stageMain(main);
  stagePlatform(platform, builtAddon(root));
  for (const folder of [main, platform]) pack(folder);
  if (process.platform === 'linux') {
    const symbols = execFileSync('objdump', ['-T', join(platform, 'tessera.node')], { encoding: 'utf8' });
    const newest = [...newestVersions(symbols)].map(([name, version]) => `${name}_${version}`);
    console.log(`tessera.node needs at most ${newest.join(', ')}`);
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
