// The tests that need no GPU, built ahead. Those that need one have a configuration of their own in tests/cuda.
import { buildTests } from './scripts/build-tests.mjs';

await buildTests();

// oxlint-disable-next-line import/no-default-export -- where AVA looks
export default {
  files: ['tests/**/*.test.ts', '!tests/cuda/**'],
  // Loaded through `require`, that is by built-test.cjs.
  extensions: { ts: 'commonjs' },
  nodeArguments: ['--require=./scripts/built-test.cjs'],
  workerThreads: false,
  concurrency: 2,
  timeout: '4m',
  environmentVariables: { OMP_NUM_THREADS: '1' },
};
