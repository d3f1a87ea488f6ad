// The tests that need no GPU, built ahead. Those that need one have a configuration of their own in tests/cuda.
import { buildTests } from './scripts/build-tests.mjs';

await buildTests();

// Errors then name the lines of sources; whoever runs single files reads them, and all files would take longer.
const named = process.argv.some((argument) => argument.endsWith('.test.ts'));

// oxlint-disable-next-line import/no-default-export -- where AVA looks
export default {
  files: ['tests/**/*.test.ts', '!tests/cuda/**', '!tests/long/**'],
  // Loaded through `require`, that is by built-test.cjs.
  extensions: { ts: 'commonjs' },
  nodeArguments: [...(named ? ['--enable-source-maps'] : []), '--require=./scripts/built-test.cjs'],
  workerThreads: false,
  concurrency: 2,
  timeout: '4m',
  environmentVariables: { OMP_NUM_THREADS: '1' },
};
