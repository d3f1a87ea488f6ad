import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { parts } from '../../../scripts/gpu/results.js';
import * as torch from '../../../src/torch/index.js';

const started = promisify(execFile);

for (const part of parts) {
  const run = torch.cudaIsAvailable() ? test.skip : test.serial;
  run(`${part}: without a GPU it says that it is ready and needs one`, async (t) => {
    const asked = started(process.execPath, ['build/tested/scripts/gpu/main.js', part]);
    const error = await t.throwsAsync<Error & { code: number; stdout: string; stderr: string }>(asked);
    t.is(error.code, 3);
    t.regex(
      error.stdout + error.stderr,
      new RegExp(`^gpu-check ${part}: all is built and ready; a GPU is needed .* CUDA is not available`, 'm'),
    );
  });
}
