import * as classes from './error-classes.js';
import { setLateCause } from './stack-trace.js';

export * from './error-classes.js';

/** The properties that the addon attaches to its errors (native/errors.h). */
interface NativeError extends Error {
  kind?: string;
  detail?: () => string;
}

type ErrorClass = typeof classes.TorchError;

const byKind: Record<string, ErrorClass> = {
  Argument: classes.ArgumentError,
  Disposed: classes.DisposedError,
  DistBackend: classes.DistBackendError,
  DistNetwork: classes.DistNetworkError,
  DistStore: classes.DistStoreError,
  Foreign: classes.ForeignTensorError,
  Index: classes.IndexError,
  LinAlg: classes.LinAlgError,
  MissingOperator: classes.NotImplementedError,
  NotImplemented: classes.NotImplementedError,
  OutOfMemory: classes.OutOfMemoryError,
  Thread: classes.AutogradError,
  Shape: classes.ShapeError,
  Type: classes.DTypeError,
};

// libtorch has one class for most of its errors; only the wording distinguishes them.
const byWording: [RegExp, ErrorClass][] = [
  // From backward, in which a reducer waits for the other processes.
  [/third_party\/gloo|gloo\/transport/, classes.DistBackendError],
  // Matches the first line only: libtorch's advice below it mentions device-side assertions for every error.
  [
    /^.*(device-side assert triggered|illegal memory access|misaligned address|illegal instruction|invalid program counter|global\/shared address space|hardware stack error|unspecified launch failure|launch timed out|uncorrectable (ECC|NVLink) error)/i,
    classes.DeviceAssertError,
  ],
  [/allocate memory|out of memory|alloc_cpu/i, classes.OutOfMemoryError],
  [
    /does not require grad|backward through the graph|inplace operation|in-place operation|grad can be implicitly|leaf Variable|not have been used in the graph|inference tensor|InferenceMode/i,
    classes.AutogradError,
  ],
  [
    /expected all tensors to be on the same device|found at least two devices|device type|no CUDA|CUDA-capable|NVIDIA driver|driver version is insufficient|without ATen_cuda|'CUDA' backend|accelerator device when none|invalid device ordinal|not linked with support for cuda/i,
    classes.DeviceError,
  ],
  [/out of range|out of bounds|Dimension out of/i, classes.IndexError],
  [/not implemented for '|could not run '/i, classes.NotImplementedError],
  [/dtype|scalar type|result type|must have the same type/i, classes.DTypeError],
  [/shape|size|dimension|broadcast|mat1 and mat2|number of channels|elements|view/i, classes.ShapeError],
];

// The message of the device's failure, once it has failed.
let fatal: string | null = null;

/** @throws DeviceAssertError if a kernel has failed in this process */
export function throwFatal(): void {
  if (fatal !== null)
    throw new classes.DeviceAssertError(`the device failed earlier in this process: ${fatal}`);
}

/** Returns the translated error for what the addon threw, with the operator and its arguments in the message. */
export function translate(error: unknown, operator?: string, describeArguments?: () => string): unknown {
  // A user's hook may throw anything.
  const { kind, message, detail } = (error ?? {}) as NativeError;
  if (kind === undefined) return operator ? named(error, operator) : error;
  const Class =
    byKind[kind] ?? byWording.find(([pattern]) => pattern.test(message))?.[1] ?? classes.TorchError;
  if (Class === classes.DeviceAssertError) fatal ??= message.trim();
  const given = operator ? `${operator}${describeArguments ? `(${describeArguments()})` : ''}: ` : '';
  const translated = new Class(given + message.trim(), operator ? { operator } : {});
  if (detail !== undefined) setLateCause(translated, detail);
  return translated;
}

/** Adds an operator's name to an error that was created before the operator was known. */
export function named(error: unknown, operator: string): unknown {
  return error instanceof classes.TorchError && error.operator === null ? renamed(error, operator) : error;
}

/** Attributes an error to an operator: it occurred while that operator examined its arguments. */
export function renamed(error: unknown, operator: string): unknown {
  if (!(error instanceof classes.TorchError)) return error;
  // The same object is kept because it has the original stack. A frozen one stays unchanged.
  if (Reflect.set(error, 'message', `${operator}: ${error.message}`))
    Reflect.set(error, 'operator', operator);
  return error;
}
