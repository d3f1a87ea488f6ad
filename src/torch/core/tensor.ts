import { shared } from '../native/copies.js';
import { native } from '../native/load.js';
import { wire } from '../native/wire.js';
import type { TensorMethods } from '../operators/index.js';
import { acrossCopies } from './across-copies.js';
import { deviceName, type Device } from './device.js';
import './dispose-symbol.js';
import { dtypeName, type DType } from './dtype.js';
import { DisposedError, translate } from './errors.js';
import { notCloned } from './in-thread.js';
import { layoutName, type Layout } from './layout.js';
import { translated } from './translated.js';
import {
  DEVICE_INDEX,
  DEVICE_TYPE,
  DIMENSIONS,
  DTYPE,
  IS_LEAF,
  LAYOUT,
  look,
  REQUIRES_GRAD,
  SIZES,
  storageAt,
  STORAGE_ADDRESS,
  STORAGE_BYTES,
  STORAGE_OFFSET,
  stridesAt,
} from './metadata.js';

const NOT_CLONED = notCloned(
  'a tensor',
  'send its toTypedArray() and shape, and rebuild it with fromTypedArray',
);

// Not a handle: 0 stands for a missing optional tensor.
const GIVEN_UP = -1;

/** The operators' types; `torch/methods.ts` adds the hand-written methods. */
export interface Tensor extends TensorMethods {}

/**
 * An array of numbers in libtorch's memory, on the CPU or a GPU, recorded by autograd. Created by functions such as
 * `torch.zeros` and `torch.tensor` and by operators, never by `new`. Freed when its scope ends, by `dispose`, or,
 * outside all scopes, once the garbage collector finds its object unreachable.
 *
 * @example
 * ```ts
 * const x: Tensor = torch.tensor([[1, 2], [3, 4]], { requiresGrad: true });
 * const y = x.matmul(x.t()).sum();
 * y.backward();
 * console.log(y.item(), x.shape, x.dtype, x.grad!.tolist()); // 52 [2, 2] float32 [[8, 12], [8, 12]]
 * ```
 */
export class Tensor {
  /** The slot that holds the tensor; negative once the handle was taken away. */
  handle: number;
  /** Keeps `structuredClone` and `postMessage` from copying the handle: their error says what to send instead. */
  readonly cloning: symbol = NOT_CLONED;

  constructor(handle: number) {
    this.handle = handle;
  }

  /** Size of each dimension. */
  get shape(): number[] {
    look(this, 'Tensor.shape');
    return Array.from(wire.subarray(SIZES, stridesAt(wire[DIMENSIONS]!)));
  }

  /** Distance in elements between neighbours in each dimension; zeros for a tensor without strides (sparse). */
  get strides(): number[] {
    look(this, 'Tensor.strides');
    const count = wire[DIMENSIONS]!;
    return Array.from(wire.subarray(stridesAt(count), storageAt(count)));
  }

  /** Number of dimensions. */
  get ndim(): number {
    look(this, 'Tensor.ndim');
    return wire[DIMENSIONS]!;
  }

  /** Type of the elements, by PyTorch's name without `torch.`. */
  get dtype(): DType {
    look(this, 'Tensor.dtype');
    return dtypeName(wire[DTYPE]!);
  }

  /** Device on which the elements are stored: `cpu`, or a GPU such as `cuda:0`. */
  get device(): Device {
    look(this, 'Tensor.device');
    return deviceName(wire[DEVICE_TYPE]!, wire[DEVICE_INDEX]!);
  }

  /** Format in which the elements are stored; `strided` for a dense tensor. */
  get layout(): Layout {
    look(this, 'Tensor.layout');
    return layoutName(wire[storageAt(wire[DIMENSIONS]!) + LAYOUT]!);
  }

  /**
   * True if autograd records operations on the tensor. Setting it calls `requiresGrad_`. @throws AutogradError for a
   * recorded result, or a dtype without gradients
   */
  get requiresGrad(): boolean {
    look(this, 'Tensor.requiresGrad');
    return wire[REQUIRES_GRAD] === 1;
  }

  set requiresGrad(flag: boolean) {
    this.requiresGrad_(flag);
  }

  /** True if it was created by the user, not by a recorded operator: leaves receive `.grad`. */
  get isLeaf(): boolean {
    look(this, 'Tensor.isLeaf');
    return wire[IS_LEAF] === 1;
  }

  /**
   * Name of the function that recorded this result and that its gradient passes through: `ExpBackward0`; null for a
   * leaf.
   */
  get gradFn(): string | null {
    const name = translated(() => native.gradientName(this.handle), 'Tensor.gradFn');
    return name.replace(/^.*::/, '') || null;
  }

  /** The tensor's storage: tensors that share memory have the same `address` and differ in `offset` (in elements). */
  get storage(): { address: number; bytes: number; offset: number } {
    look(this, 'Tensor.storage');
    const at = storageAt(wire[DIMENSIONS]!);
    return {
      offset: wire[at + STORAGE_OFFSET]!,
      address: wire[at + STORAGE_ADDRESS]!,
      bytes: wire[at + STORAGE_BYTES]!,
    };
  }

  /** Number of elements. */
  numel(): number {
    look(this, 'Tensor.numel');
    let count = 1;
    for (let i = 0; i < wire[DIMENSIONS]!; i++) count *= wire[SIZES + i]!;
    return count;
  }

  /** True if the tensor was freed: using it throws a DisposedError. */
  get disposed(): boolean {
    return typeof this.handle !== 'number' || !native.alive(this.handle);
  }

  /** Frees the tensor now. @throws DisposedError the second time. */
  dispose(): void {
    try {
      native.dispose(this.handle);
    } catch (error) {
      throw translate(error, 'Tensor.dispose');
    }
    this.handle = GIVEN_UP;
  }

  /** For `using`: frees the tensor unless it was freed before. */
  [Symbol.dispose](): void {
    if (!this.disposed) this.dispose();
  }
}

acrossCopies(Tensor, 'Tensor');

/**
 * `Tensor` for the fast paths: `instanceof` checks only this copy's prototype, which engines optimise best. False for a
 * tensor of another copy of the package, which takes the slow path.
 */
export const OwnTensor = ownClass(Tensor);

function ownClass<Class extends typeof Tensor>({ prototype }: Class): Class {
  const own = function () {} as unknown as Class;
  return Object.assign(own, { prototype });
}

// The number of open scopes, in an array of one element; the addon keeps their contents.
const depth = shared.scopes;

export function scopeDepth(): number {
  return depth[0]!;
}

export function enterScope(): void {
  depth[0]!++;
}

/** Leaves the innermost scope and returns the number of scopes still open. */
export function leaveScope(): number {
  return --depth[0]!;
}

/** Wraps a tensor that has just been made. Outside all scopes the garbage collector becomes its owner. */
export function born(handle: number): Tensor {
  const tensor = new Tensor(handle);
  if (depth[0] === 0) native.adopt(handle, tensor);
  return tensor;
}

/** Makes the garbage collector the tensor's owner. */
export function adopt(tensor: Tensor): void {
  try {
    native.adopt(tensor.handle, tensor);
  } catch (error) {
    throw translate(error, 'torch.keep');
  }
}

/** Takes the handle away from an object, so that another object can hold it. */
export function transfer(tensor: Tensor): number {
  if (tensor.disposed)
    throw new DisposedError('the tensor was disposed, or the scope it was made in has ended');
  const { handle } = tensor;
  tensor.handle = GIVEN_UP;
  return handle;
}
