import { acrossCopies } from './across-copies.js';
import { peers } from './processes.js';
import { hideOwnFrames } from './stack-trace.js';

/**
 * Base class of all errors thrown by tensors and operators. The stack begins with the caller's frames: those of this
 * package are left out (TESSERA_DEBUG=1 keeps them). `cause` has libtorch's original message with its C++ trace,
 * created when it is read.
 *
 * @example
 * ```ts
 * try {
 *   torch.zeros([2, 3]).matmul(torch.zeros([2, 3]));
 * } catch (error) {
 *   if (error instanceof torch.TorchError) console.log(error.name, error.operator); // ShapeError aten::matmul
 * }
 * ```
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

/**
 * Shapes that do not match each other or the operator.
 *
 * @example
 * ```ts
 * torch.zeros([2]).add(torch.zeros([3])); // throws a ShapeError
 * ```
 */
export class ShapeError extends TorchError {}
/**
 * A dtype that the operator does not support.
 *
 * @example
 * ```ts
 * torch.zeros([2, 2]).matmul(torch.zeros([2, 2], { dtype: 'int64' })); // throws a DTypeError
 * ```
 */
export class DTypeError extends TorchError {}
/**
 * An index outside its dimension, or a dimension that does not exist.
 *
 * @example
 * ```ts
 * torch.zeros([2]).at(2); // throws an IndexError
 * ```
 */
export class IndexError extends TorchError {}
/**
 * A device that does not exist, or tensors on different devices.
 *
 * @example
 * ```ts
 * torch.zeros([2], { device: 'cuda:64' }); // throws a DeviceError
 * ```
 */
export class DeviceError extends TorchError {}
/**
 * A kernel failed on the device, for example because of an index out of range or an illegal address. CUDA then refuses
 * all further work in the process, and every call repeats this error: save what is on the CPU and restart the process.
 * With CUDA_LAUNCH_BLOCKING=1 the error comes from the call that caused it.
 *
 * @example
 * ```ts
 * const rows = torch.embedding(torch.ones([4, 2], { device: 'cuda' }), torch.tensor([9n]).to('cuda'));
 * torch.cuda.synchronize(); // throws a DeviceAssertError: there are rows 0 to 3
 * ```
 */
export class DeviceAssertError extends DeviceError {}
/**
 * Memory could not be allocated.
 *
 * @example
 * ```ts
 * torch.empty([2 ** 50]); // throws an OutOfMemoryError; smaller tensors can still be made
 * ```
 */
export class OutOfMemoryError extends TorchError {}
/**
 * A tensor that was disposed, or whose scope has ended.
 *
 * @example
 * ```ts
 * const x = torch.zeros([2]);
 * x.dispose();
 * x.sum(); // throws a DisposedError
 * ```
 */
export class DisposedError extends TorchError {}
/**
 * A tensor that belongs to another thread.
 *
 * @example
 * ```ts
 * const x = torch.zeros([2, 3]);
 * const message = { data: x.toTypedArray(), shape: x.shape }; // what can be sent to a worker
 * const copy = torch.fromTypedArray(message.data, message.shape); // in the worker
 * ```
 */
export class ForeignTensorError extends TorchError {}
/**
 * An argument that is missing, of the wrong type, or one too many.
 *
 * @example
 * ```ts
 * new optim.SGD([], { lr: 0.1 }); // throws an ArgumentError: there is nothing to optimize
 * ```
 */
export class ArgumentError extends TorchError {}
/**
 * Something that this libtorch does not support or does not contain.
 *
 * @example
 * ```ts
 * torch.callOperator('aten::no_such_operator'); // throws a NotImplementedError
 * ```
 */
export class NotImplementedError extends TorchError {}
/**
 * A matrix that is singular or otherwise unsuitable for a decomposition.
 *
 * @example
 * ```ts
 * torch.zeros([2, 2]).inverse(); // throws a LinAlgError
 * ```
 */
export class LinAlgError extends TorchError {}
/**
 * An operation that the autograd engine refuses.
 *
 * @example
 * ```ts
 * torch.zeros([2]).sum().backward(); // throws an AutogradError: nothing requires a gradient
 * ```
 */
export class AutogradError extends TorchError {}
/**
 * A call of an overload that is unsafe in libtorch; the message gives the reason and how to call it anyway.
 *
 * @example
 * ```ts
 * const packed = torch.ones([2, 2]).toMkldnn({ unsafe: true }); // without the option throws an UnsafeOperatorError
 * ```
 */
export class UnsafeOperatorError extends TorchError {}

/**
 * Tensors that were still alive after a function checked by `expectNoLeaks`.
 *
 * @example
 * ```ts
 * const kept: Tensor[] = [];
 * torch.expectNoLeaks(() => void kept.push(torch.zeros([2]))); // throws a LeakError
 * ```
 */
export class LeakError extends TorchError {
  readonly tensors: number;

  constructor(message: string, tensors: number) {
    super(message);
    this.tensors = tensors;
  }
}

/**
 * A failure between processes; base of the three below, with PyTorch's names. The message says which process this is,
 * where they meet, and how long they wait.
 *
 * @example
 * ```ts
 * try {
 *   await torch.distributed.initProcessGroup();
 * } catch (error) {
 *   if (error instanceof torch.DistError) console.log(error.rank, error.address);
 * }
 * ```
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

/**
 * The processes could not connect to the address where they meet.
 *
 * @example
 * ```ts
 * const options = { initMethod: 'tcp://127.0.0.1:29500', rank: 1, worldSize: 2, timeout: 1 };
 * await torch.distributed.initProcessGroup(options); // throws a DistNetworkError unless process 0 is there
 * ```
 */
export class DistNetworkError extends DistError {}
/**
 * The store in which processes exchange their addresses did not answer in time.
 *
 * @example
 * ```ts
 * const options = { initMethod: 'tcp://127.0.0.1:29500', rank: 0, worldSize: 2, timeout: 1 };
 * await torch.distributed.initProcessGroup(options); // throws a DistStoreError unless process 1 comes
 * ```
 */
export class DistStoreError extends DistError {}
/**
 * A collective operation failed: another process has ended, or did not take part in time.
 *
 * @example
 * ```ts
 * const gradient = torch.ones([8]);
 * torch.distributed.allReduce(gradient); // throws a DistBackendError if another process has ended
 * ```
 */
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
