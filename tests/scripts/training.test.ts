import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';
import { program, run, textOf } from './user-programs.js';

/** A training script with images of a quarter of the size, and half the channels. */
const smaller = (name: string): string =>
  textOf(name)
    .replace(/\b(size|resolution): 64\b/g, '$1: 16')
    .replace(/\b(ch|z_channels|embed_dim): 64\b/g, '$1: 32');

const demo = (...args: string[]) => run(join(packageRoot(), 'build', 'tested', 'scripts', 'demo.js'), args);

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

test('the demo names mistakes', async (t) => {
  const wrong = await demo('--minuts', '3');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /--minuts[^]*usage: npm run demo/);
  const other = await demo('--out', 'photos');
  t.is(other.code, 1);
  t.regex(other.stderr, /^error: photos exists and does not contain a demo/);
});
