import { acrossCopies } from './across-copies.js';
import { peers } from './processes.js';
import { hideOwnFrames, setLateCause } from './stack-trace.js';

/**
 * Base class of all errors thrown by tensors and operators. The stack begins with the caller's frames: those of this
 * package are left out (TESSERA_DEBUG=1 keeps them). `cause` has libtorch's original message with its C++ trace,
 * created when it is read.
 */
export class TorchError extends Error {
  /** Schema name of the operator, such as `aten::add.Tensor`, or the function's own name, such as `Tensor.at`. */
  readonly operator: string | null;

  constructor(message: string, options: ErrorOptions & { operator?: string | null } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.operator = options.operator ?? null;
    hideOwnFrames(this);
  }
}

/** Shapes that do not match each other or the operator. */
export class ShapeError extends TorchError {}
/** A dtype that the operator does not support. */
export class DTypeError extends TorchError {}
/** An index outside its dimension, or a dimension that does not exist. */
export class IndexError extends TorchError {}
/** A device that does not exist, or tensors on different devices. */
export class DeviceError extends TorchError {}
/**
 * A kernel failed on the device, for example because of an index out of range or an illegal address. CUDA then refuses
 * all further work in the process, and every call repeats this error: save what is on the CPU and restart the process.
 * With CUDA_LAUNCH_BLOCKING=1 the error comes from the call that caused it.
 */
export class DeviceAssertError extends DeviceError {}
/** Memory could not be allocated. */
export class OutOfMemoryError extends TorchError {}
/** A tensor that was disposed, or whose scope has ended. */
export class DisposedError extends TorchError {}
/** A tensor that belongs to another thread. */
export class ForeignTensorError extends TorchError {}
/** An argument that is missing, of the wrong type, or one too many. */
export class ArgumentError extends TorchError {}
/** Something that this libtorch does not support or does not contain. */
export class NotImplementedError extends TorchError {}
/** A matrix that is singular or otherwise unsuitable for a decomposition. */
export class LinAlgError extends TorchError {}
/** An operation that the autograd engine refuses. */
export class AutogradError extends TorchError {}
/** A call of an overload that is unsafe in libtorch; the message gives the reason and how to call it anyway. */
export class UnsafeOperatorError extends TorchError {}

/** Tensors that were still alive after a function checked by `expectNoLeaks`. */
export class LeakError extends TorchError {
  /** The number of tensors. */
  readonly tensors: number;

  constructor(message: string, tensors: number) {
    super(message);
    this.tensors = tensors;
  }
}

/**
 * A failure between processes; base of the three below, with PyTorch's names. The message says which process this is,
 * where they meet, and how long they wait.
 */
export class DistError extends TorchError {
  /** Rank of this process; null before it joined a group. */
  readonly rank: number | null;
  /** Where the processes meet, such as `127.0.0.1:29500`; null before this process joined a group. */
  readonly address: string | null;
  /** Seconds that a process waits for the others; null before this process joined a group. */
  readonly timeout: number | null;

  constructor(message: string, options: ErrorOptions & { operator?: string | null } = {}) {
    const group = peers();
    const at = group
      ? ` (rank ${group.rank} of ${group.worldSize}, at ${group.address}, timeout ${group.timeout} s)`
      : '';
    super(`${withoutPraise(message)}${at}`, options);
    this.rank = group?.rank ?? null;
    this.address = group?.address ?? null;
    this.timeout = group?.timeout ?? null;
  }
}

/** Gloo names a line of its sources, and wishes good luck, where it should say what happened. */
const withoutPraise = (message: string): string =>
  message
    .replace(/\[\/[^\]\s]*\.cc:\d+\] /g, '')
    .replace(/\. This is typically caused by .*$/s, ': another process has probably ended; see its output');

/** The processes could not connect to the address where they meet. */
export class DistNetworkError extends DistError {}
/** The store in which processes exchange their addresses did not answer in time. */
export class DistStoreError extends DistError {}
/** A collective operation failed: another process has ended, or did not take part in time. */
export class DistBackendError extends DistError {}

for (const [name, Class] of Object.entries({
  TorchError,
  ShapeError,
  DTypeError,
  IndexError,
  DeviceError,
  DeviceAssertError,
  OutOfMemoryError,
  DisposedError,
  ForeignTensorError,
  ArgumentError,
  NotImplementedError,
  LinAlgError,
  AutogradError,
  UnsafeOperatorError,
  LeakError,
  DistError,
  DistNetworkError,
  DistStoreError,
  DistBackendError,
})) {
  acrossCopies(Class, name);
}

/** The properties that the addon attaches to its errors (native/errors.h). */
interface NativeError extends Error {
  kind?: string;
  detail?: () => string;
}

const byKind: Record<string, typeof TorchError> = {
  Argument: ArgumentError,
  Disposed: DisposedError,
  DistBackend: DistBackendError,
  DistNetwork: DistNetworkError,
  DistStore: DistStoreError,
  Foreign: ForeignTensorError,
  Index: IndexError,
  LinAlg: LinAlgError,
  MissingOperator: NotImplementedError,
  NotImplemented: NotImplementedError,
  OutOfMemory: OutOfMemoryError,
  Thread: AutogradError,
  Shape: ShapeError,
  Type: DTypeError,
};

// libtorch has one class for most of its errors; only the wording distinguishes them.
const byWording: [RegExp, typeof TorchError][] = [
  // From backward, in which a reducer waits for the other processes.
  [/third_party\/gloo|gloo\/transport/, DistBackendError],
  // Matches the first line only: libtorch's advice below it mentions device-side assertions for every error.
  [
    /^.*(device-side assert triggered|illegal memory access|misaligned address|illegal instruction|invalid program counter|global\/shared address space|hardware stack error|unspecified launch failure|launch timed out|uncorrectable (ECC|NVLink) error)/i,
    DeviceAssertError,
  ],
  [/allocate memory|out of memory|alloc_cpu/i, OutOfMemoryError],
  [
    /does not require grad|backward through the graph|inplace operation|in-place operation|grad can be implicitly|leaf Variable|not have been used in the graph|inference tensor|InferenceMode/i,
    AutogradError,
  ],
  [
    /expected all tensors to be on the same device|found at least two devices|device type|no CUDA|CUDA-capable|NVIDIA driver|driver version is insufficient|without ATen_cuda|'CUDA' backend|accelerator device when none|invalid device ordinal|not linked with support for cuda/i,
    DeviceError,
  ],
  [/out of range|out of bounds|Dimension out of/i, IndexError],
  [/not implemented for '|could not run '/i, NotImplementedError],
  [/dtype|scalar type|result type|must have the same type/i, DTypeError],
  [/shape|size|dimension|broadcast|mat1 and mat2|number of channels|elements|view/i, ShapeError],
];

// The message of the device's failure, once it has failed.
let fatal: string | null = null;

/** @throws DeviceAssertError if a kernel has failed in this process */
export function throwFatal(): void {
  if (fatal !== null) throw new DeviceAssertError(`the device failed earlier in this process: ${fatal}`);
}

/** Returns the translated error for what the addon threw, with the operator and its arguments in the message. */
export function translate(error: unknown, operator?: string, describeArguments?: () => string): unknown {
  // A user's hook may throw anything.
  const { kind, message, detail } = (error ?? {}) as NativeError;
  if (kind === undefined) return operator ? named(error, operator) : error;
  const Class = byKind[kind] ?? byWording.find(([pattern]) => pattern.test(message))?.[1] ?? TorchError;
  if (Class === DeviceAssertError) fatal ??= message.trim();
  const given = operator ? `${operator}${describeArguments ? `(${describeArguments()})` : ''}: ` : '';
  const translated = new Class(given + message.trim(), operator ? { operator } : {});
  if (detail !== undefined) setLateCause(translated, detail);
  return translated;
}

/** Adds an operator's name to an error that was created before the operator was known. */
export function named(error: unknown, operator: string): unknown {
  return error instanceof TorchError && error.operator === null ? renamed(error, operator) : error;
}

/** Attributes an error to an operator: it occurred while that operator examined its arguments. */
export function renamed(error: unknown, operator: string): unknown {
  if (!(error instanceof TorchError)) return error;
  // The same object is kept because it has the original stack. A frozen one stays unchanged.
  if (Reflect.set(error, 'message', `${operator}: ${error.message}`))
    Reflect.set(error, 'operator', operator);
  return error;
}
