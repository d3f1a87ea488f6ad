// `npm run test:cuda`: the tests that need a GPU, one file at a time, as they share its memory.
import { readFileSync } from 'node:fs';

const { ava } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

// oxlint-disable-next-line import/no-default-export -- where AVA looks
export default {
  ...ava,
  files: ['tests/cuda/**/*.test.ts'],
  // On a large device several fit beside each other: TESSERA_TEST_JOBS=8.
  concurrency: Number(process.env['TESSERA_TEST_JOBS'] ?? 1),
  timeout: '7m',
  // float32 means float32: the bounds are not those of TensorFloat-32.
  environmentVariables: { ...ava.environmentVariables, NVIDIA_TF32_OVERRIDE: '0' },
};
