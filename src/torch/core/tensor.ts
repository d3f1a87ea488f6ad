import './dispose-symbol.js';
import { acrossCopies } from './across-copies.js';
import { dtypeName, isDType, type DType, type TypedArray } from './dtype.js';
import { tolist, toTypedArray, type Elements } from '../elements.js';
import { deviceName, type Device } from './device.js';
import { ArgumentError, DisposedError, translate } from './errors.js';
import { registerHook, type HookHandle } from '../hooks.js';
import { at, type Index } from '../indexing.js';
import { notCloned } from './in-thread.js';
import { layoutName, type Layout } from './layout.js';
import { shared } from '../native/copies.js';
import { native } from '../native/load.js';
import { putHandles, wire } from '../native/wire.js';
import { describe } from './describe.js';
import { callOperator } from './operator.js';
import type { TensorMethods } from '../operators/index.js';
import { format } from '../print.js';
import { scope } from './scope.js';

const NOT_CLONED = notCloned(
  'a tensor',
  'send its toTypedArray() and shape, and make it again with fromTypedArray',
);

// No handle at all: 0 stands for a missing tensor where one is optional.
const GIVEN_UP = -1;

/** What `to` takes beside a dtype or a device alone. */
export interface ToOptions {
  dtype?: DType;
  device?: Device;
  nonBlocking?: boolean;
  copy?: boolean;
}

export interface Tensor extends TensorMethods {}

/**
 * An array of numbers in libtorch's memory, on the CPU or a GPU, recorded by autograd. Made by creation functions
 * (`torch.zeros`, `torch.tensor`, …) and operators, never by `new`. Freed when its scope ends, by `dispose`, or, outside
 * every scope, once the garbage collector finds its object unreachable.
 */
export class Tensor {
  /** Names the slot that holds the tensor; negative once it was given up. */
  handle: number;
  /** Keeps `structuredClone` and `postMessage` from copying the handle: an error says what to send instead. */
  readonly cloning: symbol = NOT_CLONED;

  constructor(handle: number) {
    this.handle = handle;
  }

  /** Size of each dimension. */
  get shape(): number[] {
    look(this, 'Tensor.shape');
    return Array.from(wire.subarray(6, 6 + wire[5]!));
  }

  /** Distance in elements between neighbours in each dimension; zeros for a tensor without strides (sparse). */
  get strides(): number[] {
    look(this, 'Tensor.strides');
    const count = wire[5]!;
    return Array.from(wire.subarray(6 + count, 6 + 2 * count));
  }

  /** Number of dimensions. */
  get ndim(): number {
    look(this, 'Tensor.ndim');
    return wire[5]!;
  }

  /** Type of the elements, by PyTorch's name without `torch.`. */
  get dtype(): DType {
    look(this, 'Tensor.dtype');
    return dtypeName(wire[0]!);
  }

  /** Where the elements are: `cpu`, or a GPU as `cuda:0`. */
  get device(): Device {
    look(this, 'Tensor.device');
    return deviceName(wire[1]!, wire[2]!);
  }

  /** How its elements are stored; `strided` for a dense one. */
  get layout(): Layout {
    look(this, 'Tensor.layout');
    return layoutName(wire[9 + 2 * wire[5]!]!);
  }

  /**
   * Whether autograd records what is done with it. Setting it is `requiresGrad_`. @throws AutogradError where
   * a result that is recorded, or a dtype without gradients, is asked for them
   */
  get requiresGrad(): boolean {
    look(this, 'Tensor.requiresGrad');
    return wire[3] === 1;
  }

  set requiresGrad(flag: boolean) {
    this.requiresGrad_(flag);
  }

  /** Whether it was made by the user, not by a recorded operator: leaves receive `.grad`. */
  get isLeaf(): boolean {
    look(this, 'Tensor.isLeaf');
    return wire[4] === 1;
  }

  /** Name of the function behind a recorded result, which its gradient goes through: `ExpBackward0`; null for a leaf. */
  get gradFn(): string | null {
    try {
      return native.gradientName(this.handle).replace(/^.*::/, '') || null;
    } catch (error) {
      throw translate(error, 'Tensor.gradFn');
    }
  }

  /** Where its storage lies; tensors that share memory have the same `address` and differ in `offset` (in elements). */
  get storage(): { address: number; bytes: number; offset: number } {
    look(this, 'Tensor.storage');
    const behind = 6 + 2 * wire[5]!;
    return { offset: wire[behind]!, address: wire[behind + 1]!, bytes: wire[behind + 2]! };
  }

  /** Number of elements. */
  numel(): number {
    look(this, 'Tensor.numel');
    let count = 1;
    for (let i = 0; i < wire[5]!; i++) count *= wire[6 + i]!;
    return count;
  }

  /** Whether the tensor was freed: using it throws DisposedError. */
  get disposed(): boolean {
    return typeof this.handle !== 'number' || !native.alive(this.handle);
  }

  /** Frees the tensor now. @throws DisposedError the second time. */
  dispose(): void {
    guarded(() => native.dispose(this.handle), 'Tensor.dispose');
    this.handle = GIVEN_UP;
  }

  /** For `using`: frees the tensor unless that has happened. */
  [Symbol.dispose](): void {
    if (!this.disposed) this.dispose();
  }

  /** The gradient that `backward` accumulated, or null. Every read gives a new object on the same memory. */
  get grad(): Tensor | null {
    const handle = guarded(() => native.gradient(this.handle), 'Tensor.grad');
    return handle === 0 ? null : born(handle);
  }

  set grad(value: Tensor | null) {
    const handle = value === null ? 0 : handleOf(value, 'Tensor.grad');
    guarded(() => native.setGradient(this.handle, handle), 'Tensor.grad', [this, value]);
  }

  /** The same memory without a history. Assigning puts another tensor's memory, shape and dtype in its place. */
  get data(): Tensor {
    return this.detach();
  }

  set data(value: Tensor) {
    const handle = handleOf(value, 'Tensor.data');
    guarded(() => native.setData(this.handle, handle), 'Tensor.data', [this, value]);
  }

  /** Starts or stops recording what happens to this leaf. Returns itself. */
  requiresGrad_(flag = true): this {
    guarded(() => native.setRequiresGrad(this.handle, flag), 'Tensor.requiresGrad_', [this]);
    return this;
  }

  /**
   * Computes the gradients of the leaves this tensor was made from and adds them to their `.grad`.
   * @param gradient of the same shape; not needed for a tensor of one element
   * @throws AutogradError where nothing was recorded, or the graph was freed by an earlier backward
   */
  backward(
    gradient?: Tensor | null,
    options: { retainGraph?: boolean; createGraph?: boolean; inputs?: Tensor[] } = {},
  ): void {
    const operator = 'Tensor.backward';
    checkOptions(options, operator);
    const gradients = (gradient ?? null) === null ? [] : [handleOf(gradient, operator)];
    const inputs = handlesOf(options.inputs ?? [], operator);
    putHandles(inputs, putHandles(gradients, putHandles([this.handle], 0)));
    const create = options.createGraph ?? false;
    guarded(() => native.backward(options.retainGraph ?? create, create), operator, [this, gradient]);
  }

  /**
   * Calls `hook` with this tensor's gradient when a backward pass has computed it; what it returns, if anything, takes
   * the gradient's place. Runs only on the thread that registered it: elsewhere the pass ends with a TorchError. Outside
   * scopes, a hook that refers to its own tensor keeps it alive until the hook is removed or the tensor disposed of.
   */
  registerHook(hook: (gradient: Tensor) => Tensor | void): HookHandle {
    return registerHook(this, hook);
  }

  /** Converts to a dtype, moves to a device, or both; itself where nothing changes. */
  to(target: DType | Device | Tensor | ToOptions, options: ToOptions = {}): Tensor {
    if (target instanceof Tensor) return this.to({ dtype: target.dtype, device: target.device, ...options });
    const wanted: ToOptions =
      typeof target === 'string'
        ? { ...(isDType(target) ? { dtype: target } : { device: target }), ...options }
        : { ...target, ...options };
    const { nonBlocking = false, copy = false } = wanted;
    const dtype = wanted.dtype ?? this.dtype;
    if (wanted.device === undefined)
      return callOperator('aten::to', 'dtype', [this, dtype, nonBlocking, copy]) as Tensor;
    return callOperator('aten::to', 'device', [this, wanted.device, dtype, nonBlocking, copy]) as Tensor;
  }

  /** As float32: itself where it is that already, otherwise a converted copy. */
  float(): Tensor {
    return this.to('float32');
  }
  /** As float64: itself where it is that already, otherwise a converted copy. */
  double(): Tensor {
    return this.to('float64');
  }
  /** As float16: itself where it is that already, otherwise a converted copy. */
  half(): Tensor {
    return this.to('float16');
  }
  /** As bfloat16: itself where it is that already, otherwise a converted copy. */
  bfloat16(): Tensor {
    return this.to('bfloat16');
  }
  /** As int64: itself where it is that already, otherwise a converted copy. Fractions are cut off. */
  long(): Tensor {
    return this.to('int64');
  }
  /** As int32: itself where it is that already, otherwise a converted copy. Fractions are cut off. */
  int(): Tensor {
    return this.to('int32');
  }
  /** As bool: itself where it is that already, otherwise a converted copy. True where an element is not 0. */
  bool(): Tensor {
    return this.to('bool');
  }
  /** On the CPU: itself, or a copy; waits for the device. */
  cpu(): Tensor {
    return this.to('cpu');
  }
  /** On a GPU, by default the first: itself, or a copy. @throws DeviceError where it is not there */
  cuda(index = 0): Tensor {
    return this.to(`cuda:${index}`);
  }

  /**
   * The part of the tensor that the indices name, as Python's `x[…]`: integers, `torch.slice`, `'...'`, null for a new
   * dimension, boolean masks and integer tensors. Without index tensors the result shares this tensor's memory.
   */
  at(...indices: Index[]): Tensor {
    return at(this, indices);
  }

  /**
   * The only element, as a JavaScript number (or boolean, or complex number). Waits for the device.
   * @throws ArgumentError for an int64 beyond 2^53, TorchError where there is more than one element
   */
  item(): number {
    const value: unknown = callOperator('aten::item', '', [this]);
    return value as number;
  }

  /**
   * All elements in row-major order, copied to the CPU: float16 as a Float16Array where the engine has it (Node 24) and as bits
   * where not, bfloat16 as bits, complex numbers interleaved.
   */
  toTypedArray(): TypedArray {
    return toTypedArray(this);
  }

  /** The elements as nested arrays; a number for a tensor without dimensions. */
  tolist(): Elements {
    return tolist(this);
  }

  /** What `JSON.stringify` writes: the elements, as `tolist` gives them. JSON has no infinities and no nan: they are null. */
  toJSON(): Elements {
    return tolist(this);
  }

  /** The elements as PyTorch prints them; of more than 1,000, the ends of each dimension. */
  toString(): string {
    return scope(() => format(this));
  }

  /** What `console.log` prints. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.disposed ? 'Tensor(disposed)' : this.toString();
  }
}

acrossCopies(Tensor, 'Tensor');

/**
 * `Tensor` for the short ways: `instanceof` looks for this copy's prototype and nothing else, which the engine does best.
 * False for a tensor of another copy of the package, which then takes the long way.
 */
export const OwnTensor = ownClass(Tensor);

function ownClass<Class extends typeof Tensor>({ prototype }: Class): Class {
  const own = function () {} as unknown as Class;
  return Object.assign(own, { prototype });
}

/** Fills the start of the wire with what the addon knows about the tensor (native/storage.cc). */
function look(tensor: Tensor, property: string): void {
  try {
    native.describe(tensor.handle);
  } catch (error) {
    throw translate(error, property);
  }
}

function guarded<T>(call: () => T, operator: string, args?: unknown[]): T {
  try {
    return call();
  } catch (error) {
    throw translate(error, operator, args && (() => args.map(describe).join(', ')));
  }
}

/** The handle of what should be a tensor. */
export function handleOf(value: unknown, operator: string): number {
  if (value instanceof Tensor) return value.handle;
  throw new ArgumentError(`${operator} takes a tensor, not ${describe(value)}`, { operator });
}

// As many as the addon has slots for.
const MOST_TENSORS = 2 ** 22;

/** The handles of what should be a list of tensors; 0 for null where that is allowed. */
export function handlesOf(values: unknown, operator: string, nullable = false): number[] {
  if (!Array.isArray(values))
    throw new ArgumentError(`${operator} takes an array of tensors, not ${describe(values)}`, { operator });
  if (values.length > MOST_TENSORS)
    throw new ArgumentError(`${operator} takes at most ${MOST_TENSORS} tensors, not ${values.length}`, {
      operator,
    });
  const handles: number[] = [];
  for (const value of values) {
    handles.push(nullable && (value ?? null) === null ? 0 : handleOf(value, operator));
  }
  return handles;
}

/** The options of a function written by hand. */
export function checkOptions(options: unknown, operator: string): void {
  // A tensor, of whichever copy of the package.
  if (typeof options === 'object' && options !== null && !('handle' in options)) return;
  throw new ArgumentError(`${operator} takes an object of options, not ${describe(options)}`, { operator });
}

// How many scopes are open, in one element; the addon keeps their contents.
const depth = shared.scopes;

export function scopeDepth(): number {
  return depth[0]!;
}

export function enterScope(): void {
  depth[0]!++;
}

/** Leaves the innermost scope and gives the number of those still open. */
export function leaveScope(): number {
  return --depth[0]!;
}

/** The object for a tensor that has just been made. Outside every scope the garbage collector becomes its owner. */
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

/** Takes the handle away from an object, for another object to hold. */
export function transfer(tensor: Tensor): number {
  if (tensor.disposed)
    throw new DisposedError('the tensor was disposed, or the scope it was made in has ended');
  const { handle } = tensor;
  tensor.handle = GIVEN_UP;
  return handle;
}
