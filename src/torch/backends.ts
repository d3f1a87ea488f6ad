import { native } from './native/load.js';

// Flags of the process; they can be set without a device.
function flags<Flags extends object>(names: Readonly<Record<keyof Flags, string>>): Flags {
  const properties = Object.entries<string>(names).map(([name, flag]) => {
    const get = () => native.cuda.flag(flag);
    const set = (on: boolean) => native.cuda.setFlag(flag, on);
    return [name, { get, set, enumerable: true, configurable: true }] as const;
  });
  return Object.defineProperties({}, Object.fromEntries(properties)) as Flags;
}

const matmul = flags<{
  /** True if float32 products may round their factors to TF32 (10 bits): several times faster, 1e-3 instead of 1e-6. */
  allowTf32: boolean;
}>({ allowTf32: 'matmulTf32' });

const cudnn = flags<{
  /** True if float32 convolutions may use TF32. On by default, as in PyTorch. */
  allowTf32: boolean;
  /** True if the first convolution of each shape tries all algorithms and keeps the fastest: for shapes that repeat. */
  benchmark: boolean;
  /** True if convolutions use only algorithms that give the same bits each time. */
  deterministic: boolean;
}>({ allowTf32: 'cudnnTf32', benchmark: 'cudnnBenchmark', deterministic: 'cudnnDeterministic' });

/** Settings of CUDA's libraries, like `torch.backends`: `torch.backends.cuda.matmul.allowTf32 = true`. */
export const backends = { cuda: { matmul }, cudnn };

/**
 * Makes operators give the same bits each time, at some cost. Those that cannot do so throw, or warn with `warnOnly`.
 * On CUDA, products of matrices also need the variable CUBLAS_WORKSPACE_CONFIG=:4096:8, set before the process starts.
 *
 * @example
 * ```ts
 * torch.useDeterministicAlgorithms(true, { warnOnly: true });
 * ```
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
