import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { transformSync } from 'esbuild';
import sharp from 'sharp';
import { openRun } from '../../src/runs/open.js';
import { packageRoot } from '../../src/files/package.js';

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program in a folder of its own. Programs import the package, which is what was built last. */
function run(path: string, args: string[]): Promise<Outcome> {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const child = spawn(process.execPath, [path, ...args], { cwd: root, env });
  const result = { code: null as number | null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
  });
}

let programs = 0;

/** Runs a user's program, given as TypeScript. */
async function program(text: string, args: string[] = []): Promise<Outcome> {
  // Inside the package, so that it finds it by name.
  const path = join(packageRoot(), 'build', `program-${process.pid}-${programs++}.mjs`);
  writeFileSync(path, transformSync(text, { loader: 'ts' }).code);
  try {
    return await run(path, args);
  } finally {
    rmSync(path);
  }
}

const textOf = (name: string): string => readFileSync(join(packageRoot(), 'scripts', name), 'utf8');

/** A training script with images of a quarter of the size, and half the channels. */
const smaller = (name: string): string =>
  textOf(name)
    .replace(/\b(size|resolution): 64\b/g, '$1: 16')
    .replace(/\b(ch|z_channels|embed_dim): 64\b/g, '$1: 32');

const demo = (...args: string[]) => run(join(packageRoot(), 'build', 'tested', 'scripts', 'demo.js'), args);

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
  const first = await program(smaller('train-vqgan.ts'), ['photos', 'runs/vqgan', '0.005']);
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /curves and metrics: .*report\.html/);
  const second = await program(smaller('train-transformer.ts'), [
    'runs/vqgan',
    'photos',
    'runs/gpt',
    '0.005',
  ]);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /samples: .*samples-\d+\.png/);
});

test.serial('a loop of a user’s own trains in a run folder and goes on where it stopped', async (t) => {
  const begun = await program(textOf('train-own-loop.ts'), ['photos', 'runs/own', '2']);
  t.is(begun.code, 0, begun.stderr);
  t.regex(begun.stdout, /^1 .*rec:[^]*^2 .*rec:[^]*curves and metrics: .*report\.html/m);
  const again = await program(textOf('train-own-loop.ts'), ['photos', 'runs/own', '2']);
  t.is(again.code, 0, again.stderr);
  t.notRegex(again.stdout, /rec:/, 'the run had reached its end');
  const { model } = await openRun(join(root, 'runs', 'own'), 'vqgan', 'cpu');
  t.false(model.training);
});

test.serial("the README's example runs as it stands", async (t) => {
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  const example = /```ts\n([^]*?)```/.exec(readme)![1]!;
  t.true(example.split('\n').length <= 32);
  const { code, stderr } = await program(example.replace('steps: 2000', 'steps: 2'));
  t.is(code, 0, stderr);
  t.true(existsSync(join(root, 'photos-and-reconstructions.png')));
});

test('the demo names mistakes', async (t) => {
  const wrong = await demo('--minuts', '3');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /--minuts[^]*usage: npm run demo/);
  const other = await demo('--out', 'photos');
  t.is(other.code, 1);
  t.regex(other.stderr, /^error: photos exists and does not contain a demo/);
});
