import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { openRun } from '../../src/runs/open.js';
import { packageRoot } from '../../src/files/package.js';

/** Runs a script of a user's in a folder of its own. Scripts import the package, which is what was built last. */
function script(
  path: string,
  args: string[] = [],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const loader = join(packageRoot(), 'node_modules', 'tsx', 'dist', 'loader.mjs');
  const child = spawn(process.execPath, [`--import=${loader}`, path, ...args], { cwd: root, env });
  const result = { code: null as number | null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
  });
}

const inScripts = (name: string) => join(packageRoot(), 'scripts', name);
let root: string;

test.before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tessera-scripts-'));
  mkdirSync(join(root, 'photos'));
  for (let i = 0; i < 60; i++) {
    const create = {
      width: 70,
      height: 64,
      channels: 3,
      background: { r: 4 * i, g: 90, b: 200 - 3 * i },
    } as const;
    await sharp({ create })
      .png()
      .toFile(join(root, 'photos', `${i}.png`));
  }
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

test.serial('the training scripts train both stages', async (t) => {
  const first = await script(inScripts('train-vqgan.ts'), ['photos', 'runs/vqgan', '0.005']);
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /curves and figures: .*report\.html/);
  const second = await script(inScripts('train-transformer.ts'), [
    'runs/vqgan',
    'photos',
    'runs/gpt',
    '0.005',
  ]);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /samples: .*samples-\d+\.png/);
});

test.serial('a loop of a user’s own trains in a run folder and goes on where it stopped', async (t) => {
  const begun = await script(inScripts('train-own-loop.ts'), ['photos', 'runs/own', '2']);
  t.is(begun.code, 0, begun.stderr);
  t.regex(begun.stdout, /^1 .*rec:[^]*^2 .*rec:[^]*curves and figures: .*report\.html/m);
  const again = await script(inScripts('train-own-loop.ts'), ['photos', 'runs/own', '2']);
  t.is(again.code, 0, again.stderr);
  t.notRegex(again.stdout, /rec:/, 'the run had reached its end');
  const { model } = await openRun(join(root, 'runs', 'own'), 'vqgan', 'cpu');
  t.false(model.training);
});

test.serial("the README's example runs as it stands", async (t) => {
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  const example = /```ts\n([^]*?)```/.exec(readme)![1]!;
  t.true(example.split('\n').length <= 32);
  // Inside the package, so that it finds it by name.
  const path = join(packageRoot(), 'build', `readme-example-${process.pid}.ts`);
  writeFileSync(path, example.replace('steps: 2000', 'steps: 2'));
  try {
    const { code, stderr } = await script(path);
    t.is(code, 0, stderr);
  } finally {
    rmSync(path);
  }
  t.true(existsSync(join(root, 'photos-and-reconstructions.png')));
});

test('the demo names mistakes', async (t) => {
  const wrong = await script(inScripts('demo.ts'), ['--minuts', '3']);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /--minuts[^]*usage: npm run demo/);
  const other = await script(inScripts('demo.ts'), ['--out', 'photos']);
  t.is(other.code, 1);
  t.regex(other.stderr, /^error: photos exists and holds no demo/);
});
