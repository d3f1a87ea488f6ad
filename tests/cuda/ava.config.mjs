// `npm run test:cuda`: the tests that need a GPU, one file at a time, as they share its memory. Transpiled when they are
// loaded, as the machine they run on has no other build of them.

// oxlint-disable-next-line import/no-default-export -- where AVA looks
export default {
  files: ['tests/cuda/**/*.test.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  // On a large device several fit at once: TESSERA_TEST_JOBS=8.
  concurrency: Number(process.env['TESSERA_TEST_JOBS'] ?? 1),
  timeout: '7m',
  // float32 means float32: the bounds are not those of TensorFloat-32.
  environmentVariables: { OMP_NUM_THREADS: '1', NVIDIA_TF32_OVERRIDE: '0' },
};
