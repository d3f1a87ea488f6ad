import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import {
  copyCompiled,
  manifest,
  npmPack,
  root,
  stageMain,
  stagePlatform,
} from '../../../scripts/packages/stage.js';
import { builtAddon, platformPackage } from '../../../src/setup/addon-path.js';

let home: string;
let main: string;
let packed: string[];

/** The packages as npm lays them out, with the checkout's dependencies next to them. */
test.before(async () => {
  home = mkdtempSync(join(tmpdir(), 'tessera-staged-'));
  const modules = join(home, 'node_modules');
  const [staged, platform] = [manifest.name, platformPackage()].map((name) => join(modules, name));
  for (const folder of [staged!, platform!]) mkdirSync(folder, { recursive: true });
  await stageMain(staged!, copyCompiled);
  stagePlatform(platform!, builtAddon(root));
  for (const name of Object.keys(manifest.dependencies))
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  packed = npmPack(staged!, '--dry-run').files.map(({ path }) => path);
  main = join(staged!, 'dist', 'cli', 'main.js');
});
test.after.always(() => rmSync(home, { recursive: true, force: true }));

/** Made where the package is, not shipped with it. */
const BUILT = 'build';

/** Paths below the package's folder that the sources spell out: `join(packageRoot(), 'native', 'kernels', name)`. */
function pathsRead(): string[] {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const paths = new Set<string>();
  for (const name of sources.filter((file) => file.endsWith('.ts'))) {
    const text = readFileSync(join(root, 'src', name), 'utf8');
    if (!text.includes('packageRoot')) continue;
    for (const [, list = ''] of text.matchAll(/join\(\s*(?:root|packageRoot\(\)),\s*((?:'[^']+',?\s*)+)/g))
      paths.add([...list.matchAll(/'([^']+)'/g)].map(([, part]) => part).join('/'));
  }
  return [...paths].sort();
}

test('the package holds every file and folder of its own that it reads', (t) => {
  const paths = pathsRead();
  for (const known of ['package.json', 'native/kernels', 'src/cli/presets']) t.true(paths.includes(known));
  const missing = paths.filter(
    (path) => !path.startsWith(BUILT) && !packed.some((file) => file === path || file.startsWith(`${path}/`)),
  );
  t.deepEqual(missing, []);
});

test('the package holds every file of the folders it names, compiled files for the rest', (t) => {
  const kept = new Set(packed);
  for (const folder of ['src/cli/presets', 'native']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(root.length);
      if (entry.isFile()) t.true(kept.has(path.replace(/^\//, '')), path);
    }
  }
  t.deepEqual(
    packed.filter((path) => path.startsWith('src/') && path.endsWith('.ts')),
    [],
  );
});

const run = promisify(execFile);

for (const [stage, name] of [
  ['vqgan', 'imagenet'],
  ['transformer', 'classes'],
] as const) {
  test(`the packed command line knows the preset ${name} of train ${stage}`, async (t) => {
    const asked = ['train', stage, '-c', name, '--print-config'];
    const { stdout } = await run(process.execPath, [main, ...asked], { cwd: home });
    t.regex(stdout, /^model:/m);
  });
}

test('the packed doctor finds the packed addon', async (t) => {
  const { stdout } = await run(process.execPath, [main, 'doctor', '--json'], { cwd: home });
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { name: string; text: string }[] };
  t.true(ok, stdout);
  t.is(
    checks.find(({ name }) => name === 'addon')?.text,
    join(home, 'node_modules', platformPackage(), 'tessera.node'),
  );
});
