import { acrossCopies } from './across-copies.js';
import { hideOwnFrames, setLateCause } from './stack-trace.js';

/**
 * Base class of all errors that tensors and operators throw. The stack begins with the caller's frames: those of this package
 * are left out (TESSERA_DEBUG=1 keeps them). `cause` has libtorch's own words with its C++ trace, made when it is read.
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

/** Shapes do not fit together, or not what the operator takes. */
export class ShapeError extends TorchError {}
/** A dtype that the operator does not take. */
export class DTypeError extends TorchError {}
/** An index outside its dimension, or a dimension that is not there. */
export class IndexError extends TorchError {}
/** A device that is not there, or tensors on different ones. */
export class DeviceError extends TorchError {}
/**
 * A kernel failed on the device: an index out of range, an illegal address. CUDA then refuses all further work of the
 * process, and every call repeats this error: save what lies on the CPU, and start anew. With CUDA_LAUNCH_BLOCKING=1 the
 * error comes from the call that caused it.
 */
export class DeviceAssertError extends DeviceError {}
/** Memory could not be allocated. */
export class OutOfMemoryError extends TorchError {}
/** A tensor that was disposed, or whose scope has ended. */
export class DisposedError extends TorchError {}
/** A tensor of another thread. */
export class ForeignTensorError extends TorchError {}
/** An argument of the wrong type, a missing one, or one too many. */
export class ArgumentError extends TorchError {}
/** What this libtorch cannot do, or does not have. */
export class NotImplementedError extends TorchError {}
/** A matrix that is singular, or not what a decomposition takes. */
export class LinAlgError extends TorchError {}
/** Something the autograd engine refuses. */
export class AutogradError extends TorchError {}
/** A call of an overload that libtorch does not do safely; the message says why, and how to call it all the same. */
export class UnsafeOperatorError extends TorchError {}

/** Tensors that stayed alive where `expectNoLeaks` watched. */
export class LeakError extends TorchError {
  /** How many. */
  readonly tensors: number;

  constructor(message: string, tensors: number) {
    super(message);
    this.tensors = tensors;
  }
}

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
})) {
  acrossCopies(Class, name);
}

/** What the addon attaches to its errors (native/errors.h). */
interface NativeError extends Error {
  kind?: string;
  detail?: () => string;
}

const byKind: Record<
  string,
  new (message: string, options?: ErrorOptions & { operator?: string }) => TorchError
> = {
  Argument: ArgumentError,
  Disposed: DisposedError,
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

// libtorch has one class for most of its errors; its wording tells them apart.
const byWording: [RegExp, typeof TorchError][] = [
  // Of the first line: libtorch's advice below it speaks of device-side assertions whatever the error is.
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

// What the device failed with, once it has.
let fatal: string | null = null;

/** @throws DeviceAssertError where a kernel has failed in this process */
export function throwFatal(): void {
  if (fatal !== null) throw new DeviceAssertError(`the device failed earlier in this process: ${fatal}`);
}

/** The error class for what the addon threw, with the operator and its arguments in the message. */
export function translate(error: unknown, operator?: string, describeArguments?: () => string): unknown {
  // A hook of the program's may throw anything.
  const { kind, message, detail } = (error ?? {}) as NativeError;
  if (kind === undefined) return operator ? named(error, operator) : error;
  const Class = byKind[kind] ?? byWording.find(([pattern]) => pattern.test(message))?.[1] ?? TorchError;
  if (Class === DeviceAssertError) fatal ??= message.trim();
  const given = operator ? `${operator}${describeArguments ? `(${describeArguments()})` : ''}: ` : '';
  const translated = new Class(given + message.trim(), operator ? { operator } : {});
  if (detail !== undefined) setLateCause(translated, detail);
  return translated;
}

/** An error that was found before it was known on behalf of which operator: the same with its name. */
export function named(error: unknown, operator: string): unknown {
  return error instanceof TorchError && error.operator === null ? renamed(error, operator) : error;
}

/** An error that was met while another operator looked at its arguments: the same under that operator's name. */
export function renamed(error: unknown, operator: string): unknown {
  if (!(error instanceof TorchError)) return error;
  // The same object: it knows where it came from. A frozen one stays as it is.
  if (Reflect.set(error, 'message', `${operator}: ${error.message}`))
    Reflect.set(error, 'operator', operator);
  return error;
}
