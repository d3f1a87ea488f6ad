/**
 * Tensor's hand-written methods. They use operators, indexing and printing, which all use Tensor: so they are installed
 * on its prototype from above, like the generated ones.
 */
import { handleOf, handlesOf, checkOptions } from './core/arguments.js';
import { describe } from './core/describe.js';
import type { Device } from './core/device.js';
import { isDType, type DType, type TypedArray } from './core/dtype.js';
import { translate } from './core/errors.js';
import { translated } from './core/translated.js';
import { callOperator } from './core/dispatch.js';
import { scope } from './core/scope.js';
import { born, Tensor } from './core/tensor.js';
import { tolist, toTypedArray, type Elements } from './elements.js';
import { registerHook, type HookHandle } from './hooks.js';
import { at, type Index } from './indexing.js';
import { native } from './native/load.js';
import { putHandles } from './native/wire.js';
import { format } from './print.js';

/** Arguments of `to` other than a dtype or a device alone. */
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

    /** The same memory without a history. Assigning replaces the memory, shape and dtype with another tensor's. */
    get data(): Tensor;
    set data(value: Tensor);

    /** Starts or stops recording operations on this leaf. Returns the tensor itself. */
    requiresGrad_(flag?: boolean): this;

    /**
     * Computes the gradients of the leaves this tensor was made from and adds them to their `.grad`.
     * @param gradient of the same shape; not needed for a tensor of one element
     * @throws AutogradError if nothing was recorded, or the graph was freed by an earlier backward
     */
    backward(
      gradient?: Tensor | null,
      options?: { retainGraph?: boolean; createGraph?: boolean; inputs?: Tensor[] },
    ): void;

    /**
     * Calls `hook` with this tensor's gradient when a backward pass has computed it; a returned tensor replaces the
     * gradient. Runs only on the thread that registered it: elsewhere the pass ends with a TorchError. Outside scopes,
     * a hook that refers to its own tensor keeps it alive until the hook is removed or the tensor disposed of.
     */
    registerHook(hook: (gradient: Tensor) => Tensor | void): HookHandle;

    /** Converts to a dtype, moves to a device, or both; returns the tensor itself if nothing changes. */
    to(target: DType | Device | Tensor | ToOptions, options?: ToOptions): Tensor;
    /** Converts to float32; returns the tensor itself if it is float32 already. */
    float(): Tensor;
    /** Converts to float64; returns the tensor itself if it is float64 already. */
    double(): Tensor;
    /** Converts to float16; returns the tensor itself if it is float16 already. */
    half(): Tensor;
    /** Converts to bfloat16; returns the tensor itself if it is bfloat16 already. */
    bfloat16(): Tensor;
    /** Converts to int64, truncating fractions; returns the tensor itself if it is int64 already. */
    long(): Tensor;
    /** Converts to int32, truncating fractions; returns the tensor itself if it is int32 already. */
    int(): Tensor;
    /** Converts to bool, true for nonzero elements; returns the tensor itself if it is bool already. */
    bool(): Tensor;
    /** Returns the tensor itself if it is on the CPU, otherwise a copy there; waits for the device. */
    cpu(): Tensor;
    /**
     * Returns the tensor on a GPU, by default the first: itself, or a copy. @throws DeviceError if there is no such GPU
     */
    cuda(index?: number): Tensor;

    /**
     * Returns the part of the tensor that the indices select, like Python's `x[…]`: integers, `torch.slice`, `'...'`,
     * null for a new dimension, boolean masks and integer tensors. Without index tensors the result shares this
     * tensor's memory.
     */
    at(...indices: Index[]): Tensor;

    /**
     * Returns the only element as a JavaScript number (or boolean, or complex number). Waits for the device.
     * @throws ArgumentError for an int64 beyond 2^53, TorchError if there is more than one element
     */
    item(): number;

    /**
     * Copies all elements in row-major order to the CPU: float16 as a Float16Array if the engine has it (Node 24),
     * otherwise as bits; bfloat16 as bits; complex numbers interleaved.
     */
    toTypedArray(): TypedArray;

    /** Returns the elements as nested arrays; a number for a tensor without dimensions. */
    tolist(): Elements;

    /**
     * Called by `JSON.stringify`: returns the elements, like `tolist`. JSON has no infinities or NaN: they become null.
     */
    toJSON(): Elements;

    /** Formats the elements as PyTorch prints them; over 1,000 elements, only the ends of each dimension. */
    toString(): string;
  }
}

function guarded<T>(call: () => T, operator: string, args: unknown[]): T {
  return translated(call, operator, () => args.map(describe).join(', '));
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
    guarded(() => native.setData(this.handle, handle), 'Tensor.data', [this, value]);
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

  /** Called by `console.log`. */
  [Symbol.for('nodejs.util.inspect.custom')](this: Tensor): string {
    return this.disposed ? 'Tensor(disposed)' : this.toString();
  },
};

const casts = {
  float: 'float32',
  double: 'float64',
  half: 'float16',
  bfloat16: 'bfloat16',
  long: 'int64',
  int: 'int32',
  bool: 'bool',
  cpu: 'cpu',
} as const;

for (const [name, target] of Object.entries(casts)) {
  Object.assign(methods, {
    [name](this: Tensor) {
      return this.to(target);
    },
  });
}

for (const key of Reflect.ownKeys(methods)) {
  const method = Object.getOwnPropertyDescriptor(methods, key)!;
  Object.defineProperty(Tensor.prototype, key, { ...method, enumerable: false });
}
