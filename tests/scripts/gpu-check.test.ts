import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { mustAgree, speedup } from '../../scripts/gpu/rounds.js';
import { parts } from '../../scripts/gpu/results.js';
import * as torch from '../../src/torch/index.js';

/** Runs gpu-check without its build, which has been done by whoever runs this. */
async function check(...args: string[]): Promise<{ code: number | null; output: string }> {
  const out = mkdtempSync(join(tmpdir(), 'tessera-gpu-check-'));
  const child = spawn(process.execPath, ['--import=tsx', 'scripts/gpu/main.ts', ...args], {
    env: { ...process.env, OUT: out },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  rmSync(out, { recursive: true });
  return { code, output };
}

for (const part of parts) {
  const run = torch.cudaIsAvailable() ? test.skip : test.serial;
  run(`${part}: without a GPU it says that it is ready and needs one`, async (t) => {
    const { code, output } = await check(part);
    t.is(code, 3);
    t.regex(
      output,
      new RegExp(`^gpu-check ${part}: all is built and ready; a GPU is needed .* CUDA is not available`, 'm'),
    );
  });
}

test.serial('a part that does not exist is refused, and those that do are named', async (t) => {
  const { code, output } = await check('everything');
  t.is(code, 1);
  t.regex(output, /name one part: tests, vqgan, gpt, sample, host, or table; got 'everything'/);
});

test('a speed-up is the median of the rounds’ own', (t) => {
  const round = (ours: number, theirs: number) => ({
    ours: { seconds: ours, host: 0 },
    theirs: { seconds: theirs, host: 0 },
  });
  t.deepEqual(speedup([round(1, 2), round(2, 6), round(1, 1)], 'ours', 'theirs'), {
    ratio: 2,
    lowest: 1,
    highest: 3,
  });
});

test('arms that compute something else are an error', (t) => {
  t.is(mustAgree('losses', [1, 2], [1, 2], 1e-6), 0);
  t.throws(() => mustAgree('losses', [1, 2.1], [1, 2], 0.01), { message: /losses differ by 5\.0e-2/ });
  t.throws(() => mustAgree('losses', [NaN], [1], 0.01));
  t.throws(() => mustAgree('losses', [1], [1, 2], 0.01));
});
