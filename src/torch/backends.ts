import { native } from './native/load.js';

// Flags of the process; they can be set without a device.
const matmul = {
  /** True if float32 products may round their factors to TF32 (10 bits): several times faster, 1e-3 instead of 1e-6. */
  get allowTf32(): boolean {
    return native.cuda.flag('matmulTf32');
  },
  set allowTf32(on: boolean) {
    native.cuda.setFlag('matmulTf32', on);
  },
};

const cudnn = {
  /** True if float32 convolutions may use TF32. On by default, as in PyTorch. */
  get allowTf32(): boolean {
    return native.cuda.flag('cudnnTf32');
  },
  set allowTf32(on: boolean) {
    native.cuda.setFlag('cudnnTf32', on);
  },

  /** True if the first convolution of each shape tries all algorithms and keeps the fastest: for shapes that repeat. */
  get benchmark(): boolean {
    return native.cuda.flag('cudnnBenchmark');
  },
  set benchmark(on: boolean) {
    native.cuda.setFlag('cudnnBenchmark', on);
  },

  /** True if convolutions use only algorithms that give the same bits each time. */
  get deterministic(): boolean {
    return native.cuda.flag('cudnnDeterministic');
  },
  set deterministic(on: boolean) {
    native.cuda.setFlag('cudnnDeterministic', on);
  },
};

/** Settings of CUDA's libraries, like `torch.backends`: `torch.backends.cuda.matmul.allowTf32 = true`. */
export const backends = { cuda: { matmul }, cudnn };

/**
 * Makes operators give the same bits each time, at some cost. Those that cannot do so throw, or warn with `warnOnly`.
 * On CUDA, products of matrices also need the variable CUBLAS_WORKSPACE_CONFIG=:4096:8, set before the process starts.
 */
export function useDeterministicAlgorithms(
  on: boolean,
  { warnOnly = false }: { warnOnly?: boolean } = {},
): void {
  native.cuda.setFlag('deterministic', on);
  native.cuda.setFlag('deterministicWarnOnly', on && warnOnly);
}

/** True if `useDeterministicAlgorithms` is on. */
export function areDeterministicAlgorithmsEnabled(): boolean {
  return native.cuda.flag('deterministic');
}
