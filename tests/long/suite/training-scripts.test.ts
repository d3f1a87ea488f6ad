import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../../src/files/package.js';
import { openRun } from '../../../src/runs/open.js';
import { program, root, textOf } from '../../scripts/user-programs.js';

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
