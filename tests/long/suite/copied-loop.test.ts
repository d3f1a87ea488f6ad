/** The training loop as a user copies it: with what it imports from the package, and nothing else. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../../src/files/package.js';
import { program, root } from '../../scripts/user-programs.js';
import { vqganConfig } from '../../training/tiny.js';

const copied = readFileSync(join(packageRoot(), 'src/training/train.ts'), 'utf8')
  .replace("import * as torch from '../torch/index.js'", "import { torch } from 'tessera-torch'")
  .replaceAll(/(?<=from ')\.{1,2}\/[^']+(?=')/g, 'tessera-torch');

test('what the loop imports is exported, with its types', async (t) => {
  t.regex(copied, /from 'tessera-torch'/);
  t.notRegex(copied, /from '\./);
  writeFileSync(join(root, 'loop.mts'), copied);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable', 'dom'],
    module: 'nodenext',
    types: [],
    paths: { 'tessera-torch': [join(packageRoot(), 'dist', 'index.d.ts')] },
  };
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['loop.mts'] }));
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  const compile = promisify(execFile)(process.execPath, [join(typescript, 'bin', 'tsc'), '-p', root]);
  await t.notThrowsAsync(compile);
});

test('the copy trains as the original does', async (t) => {
  const config = vqganConfig({ steps: 3, saveEvery: 2, imagesEvery: 2, best: 'ssim', lpips: 'off' });
  const given = { ...config, data: { path: 'photos', size: 16 } };
  const { code, stdout, stderr } = await program(`${copied}
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { VqganTrainer } from 'tessera-torch';

const loops = {
  original: (trainer) => trainer.run(),
  copied: ({ training: { run, stage } }) => train(run, stage),
};
for (const [name, loop] of Object.entries(loops)) {
  const trainer = await VqganTrainer.create(${JSON.stringify(given)}, { run: name });
  const events = [];
  for await (const { type, step, losses, metrics } of loop(trainer)) events.push({ type, step, losses, metrics });
  const weights = readFileSync(name + '/checkpoints/step-0000003/model.safetensors');
  const card = readFileSync(name + '/README.md', 'utf8').replaceAll(name, 'run').replace(/\\d+ seconds/, '');
  console.log(JSON.stringify([events, createHash('sha256').update(weights).digest('hex'), card]));
}`);
  t.is(code, 0, stderr);
  const [original, copy] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[]);
  t.deepEqual(copy, original);
  const steps = (original![0] as { type: string }[]).filter(({ type }) => type === 'step');
  t.is(steps.length, 3);
});
