/**
 * Tensor's methods that are written by hand. They use operators, indexing and printing, which all use Tensor: so they are
 * installed on its prototype from above, as the generated ones are.
 */
import { handleOf, handlesOf, checkOptions } from './core/arguments.js';
import { describe } from './core/describe.js';
import type { Device } from './core/device.js';
import { isDType, type DType, type TypedArray } from './core/dtype.js';
import { translate } from './core/errors.js';
import { callOperator } from './core/dispatch.js';
import { scope } from './core/scope.js';
import { born, Tensor } from './core/tensor.js';
import { tolist, toTypedArray, type Elements } from './elements.js';
import { registerHook, type HookHandle } from './hooks.js';
import { at, type Index } from './indexing.js';
import { native } from './native/load.js';
import { putHandles } from './native/wire.js';
import { format } from './print.js';

/** What `to` takes beside a dtype or a device alone. */
export interface ToOptions {
  dtype?: DType;
  device?: Device;
  nonBlocking?: boolean;
  copy?: boolean;
}

declare module './core/tensor.js' {
  interface Tensor {
    /** The gradient that `backward` accumulated, or null. Every read gives a new object on the same memory. */
    get grad(): Tensor | null;
    set grad(value: Tensor | null);

    /** The same memory without a history. Assigning puts another tensor's memory, shape and dtype in its place. */
    get data(): Tensor;
    set data(value: Tensor);

    /** Starts or stops recording what happens to this leaf. Returns itself. */
    requiresGrad_(flag?: boolean): this;

    /**
     * Computes the gradients of the leaves this tensor was made from and adds them to their `.grad`.
     * @param gradient of the same shape; not needed for a tensor of one element
     * @throws AutogradError where nothing was recorded, or the graph was freed by an earlier backward
     */
    backward(
      gradient?: Tensor | null,
      options?: { retainGraph?: boolean; createGraph?: boolean; inputs?: Tensor[] },
    ): void;

    /**
     * Calls `hook` with this tensor's gradient when a backward pass has computed it; what it returns, if anything, takes
     * the gradient's place. Runs only on the thread that registered it: elsewhere the pass ends with a TorchError. Outside
     * scopes, a hook that refers to its own tensor keeps it alive until the hook is removed or the tensor disposed of.
     */
    registerHook(hook: (gradient: Tensor) => Tensor | void): HookHandle;

    /** Converts to a dtype, moves to a device, or both; itself where nothing changes. */
    to(target: DType | Device | Tensor | ToOptions, options?: ToOptions): Tensor;
    /** As float32: itself where it is that already, otherwise a converted copy. */
    float(): Tensor;
    /** As float64: itself where it is that already, otherwise a converted copy. */
    double(): Tensor;
    /** As float16: itself where it is that already, otherwise a converted copy. */
    half(): Tensor;
    /** As bfloat16: itself where it is that already, otherwise a converted copy. */
    bfloat16(): Tensor;
    /** As int64: itself where it is that already, otherwise a converted copy. Fractions are cut off. */
    long(): Tensor;
    /** As int32: itself where it is that already, otherwise a converted copy. Fractions are cut off. */
    int(): Tensor;
    /** As bool: itself where it is that already, otherwise a converted copy. True where an element is not 0. */
    bool(): Tensor;
    /** On the CPU: itself, or a copy; waits for the device. */
    cpu(): Tensor;
    /** On a GPU, by default the first: itself, or a copy. @throws DeviceError where it is not there */
    cuda(index?: number): Tensor;

    /**
     * The part of the tensor that the indices name, as Python's `x[…]`: integers, `torch.slice`, `'...'`, null for a new
     * dimension, boolean masks and integer tensors. Without index tensors the result shares this tensor's memory.
     */
    at(...indices: Index[]): Tensor;

    /**
     * The only element, as a JavaScript number (or boolean, or complex number). Waits for the device.
     * @throws ArgumentError for an int64 beyond 2^53, TorchError where there is more than one element
     */
    item(): number;

    /**
     * All elements in row-major order, copied to the CPU: float16 as a Float16Array where the engine has it (Node 24) and as bits
     * where not, bfloat16 as bits, complex numbers interleaved.
     */
    toTypedArray(): TypedArray;

    /** The elements as nested arrays; a number for a tensor without dimensions. */
    tolist(): Elements;

    /** What `JSON.stringify` writes: the elements, as `tolist` gives them. JSON has no infinities and no nan: they are null. */
    toJSON(): Elements;

    /** The elements as PyTorch prints them; of more than 1,000, the ends of each dimension. */
    toString(): string;
  }
}

function guarded<T>(call: () => T, operator: string, args: unknown[]): T {
  try {
    return call();
  } catch (error) {
    throw translate(error, operator, () => args.map(describe).join(', '));
  }
}

const methods: Partial<Tensor> & ThisType<Tensor> = {
  get grad() {
    try {
      const handle = native.gradient(this.handle);
      return handle === 0 ? null : born(handle);
    } catch (error) {
      throw translate(error, 'Tensor.grad');
    }
  },

  set grad(value) {
    const handle = value === null ? 0 : handleOf(value, 'Tensor.grad');
    try {
      native.setGradient(this.handle, handle);
    } catch (error) {
      throw translate(error, 'Tensor.grad', () => [this, value].map(describe).join(', '));
    }
  },

  get data() {
    return this.detach();
  },

  set data(value) {
    const handle = handleOf(value, 'Tensor.data');
    try {
      native.setData(this.handle, handle);
    } catch (error) {
      throw translate(error, 'Tensor.data', () => [this, value].map(describe).join(', '));
    }
  },

  requiresGrad_(flag = true) {
    guarded(() => native.setRequiresGrad(this.handle, flag), 'Tensor.requiresGrad_', [this]);
    return this;
  },

  backward(gradient, options = {}) {
    const operator = 'Tensor.backward';
    checkOptions(options, operator);
    const gradients = (gradient ?? null) === null ? [] : [handleOf(gradient, operator)];
    const inputs = handlesOf(options.inputs ?? [], operator);
    putHandles(inputs, putHandles(gradients, putHandles([this.handle], 0)));
    const create = options.createGraph ?? false;
    guarded(() => native.backward(options.retainGraph ?? create, create), operator, [this, gradient]);
  },

  registerHook(hook) {
    return registerHook(this, hook);
  },

  to(target, options = {}) {
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
  },

  float() {
    return this.to('float32');
  },
  double() {
    return this.to('float64');
  },
  half() {
    return this.to('float16');
  },
  bfloat16() {
    return this.to('bfloat16');
  },
  long() {
    return this.to('int64');
  },
  int() {
    return this.to('int32');
  },
  bool() {
    return this.to('bool');
  },
  cpu() {
    return this.to('cpu');
  },
  cuda(index = 0) {
    return this.to(`cuda:${index}`);
  },

  at(...indices) {
    return at(this, indices);
  },

  item() {
    const value: unknown = callOperator('aten::item', '', [this]);
    return value as number;
  },

  toTypedArray() {
    return toTypedArray(this);
  },

  tolist() {
    return tolist(this);
  },

  toJSON() {
    return tolist(this);
  },

  toString() {
    return scope(() => format(this));
  },

  /** What `console.log` prints. */
  [Symbol.for('nodejs.util.inspect.custom')](this: Tensor): string {
    return this.disposed ? 'Tensor(disposed)' : this.toString();
  },
};

for (const key of Reflect.ownKeys(methods)) {
  const method = Object.getOwnPropertyDescriptor(methods, key)!;
  Object.defineProperty(Tensor.prototype, key, { ...method, enumerable: false });
}
