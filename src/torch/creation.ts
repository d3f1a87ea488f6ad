import { dtypeOf, isDType, isMemoryOf, isTypedArray, type DType, type TypedArray } from './core/dtype.js';
import { inMemory } from './elements.js';
import type { Device } from './core/device.js';
import { ArgumentError, ShapeError } from './core/errors.js';
import { naming, translated } from './core/translated.js';
import { native } from './native/load.js';
import { bindOverload, type BoundOverload } from './core/dispatch.js';
import type { Generator } from './core/random.js';
import { bytesOf, inferDType, packData, type TensorData } from './nested-data.js';
import { floatScalar, type ComplexScalar } from './core/scalar.js';
import { describe } from './core/describe.js';
import type { Tensor } from './core/tensor.js';
import { checkOptions } from './core/arguments.js';

export type { TensorData } from './nested-data.js';

/** The dtype and device of a new tensor, and whether it requires a gradient. */
export interface TensorOptions {
  /** Default: float32, or the dtype of the data. */
  dtype?: DType;
  /** Default: the CPU. */
  device?: Device;
  /** True if autograd records operations on it. Default false. */
  requiresGrad?: boolean;
}

export interface RandomOptions extends TensorOptions {
  /** Default: the device's default generator. */
  generator?: Generator;
}

function finish(tensor: Tensor, { requiresGrad = false }: TensorOptions): Tensor {
  return requiresGrad ? tensor.requiresGrad_() : tensor;
}

/** Calls a creation operator: its own arguments, then dtype, layout and device, the order in all their schemas. */
function make(create: BoundOverload, args: unknown[], options: TensorOptions, dtype?: DType): Tensor {
  checkOptions(options, create.operator);
  const wanted = options.dtype ?? dtype;
  if (wanted !== undefined || options.device !== undefined) args.push(wanted, undefined, options.device);
  return finish(create(args) as Tensor, options);
}

/** Calls a random creation operator: its own arguments, then the generator, dtype, layout and device. */
function draw(create: BoundOverload, args: unknown[], options: RandomOptions, dtype?: DType): Tensor {
  checkOptions(options, create.operator);
  return make(create, [...args, options.generator ?? null], options, dtype);
}

const creators = {
  empty: bindOverload('aten::empty', 'memory_format'),
  zeros: bindOverload('aten::zeros', ''),
  ones: bindOverload('aten::ones', ''),
  full: bindOverload('aten::full', ''),
  randn: bindOverload('aten::randn', 'generator'),
  rand: bindOverload('aten::rand', 'generator'),
  randint: bindOverload('aten::randint', 'low_generator'),
  randperm: bindOverload('aten::randperm', 'generator'),
  arange: bindOverload('aten::arange', 'start_step'),
  linspace: bindOverload('aten::linspace', ''),
  eye: bindOverload('aten::eye', 'm'),
};

/** Returns an uninitialised tensor. */
export function empty(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return make(creators.empty, [shape], options);
}

/**
 * Returns a tensor of zeros.
 *
 * @example
 * ```ts
 * const x = torch.zeros([2, 3], { dtype: 'int64' });
 * ```
 */
export function zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return make(creators.zeros, [shape], options);
}

/**
 * Returns a tensor of ones.
 *
 * @example
 * ```ts
 * const weights = torch.ones([8], { requiresGrad: true });
 * ```
 */
export function ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return make(creators.ones, [shape], options);
}

/**
 * Returns a tensor with the same value everywhere: float32 for a number, int64 for a bigint, bool for a boolean.
 *
 * @example
 * ```ts
 * const x = torch.full([2, 3], 0.5); // float32
 * ```
 */
export function full(
  shape: readonly number[],
  value: number | boolean | bigint | ComplexScalar,
  options: TensorOptions = {},
): Tensor {
  return make(creators.full, [shape, value], options, inferDType(value));
}

/**
 * Draws independent samples from the standard normal distribution.
 *
 * @example
 * ```ts
 * const noise = torch.randn([4, 3, 64, 64], { generator: new torch.Generator().manualSeed(1) });
 * ```
 */
export function randn(shape: readonly number[], options: RandomOptions = {}): Tensor {
  return draw(creators.randn, [shape], options);
}

/** Draws independent samples from the uniform distribution on [0, 1). */
export function rand(shape: readonly number[], options: RandomOptions = {}): Tensor {
  return draw(creators.rand, [shape], options);
}

/**
 * Draws independent integers from `low` to `high` − 1; int64 unless `dtype` is given.
 *
 * @example
 * ```ts
 * const codes = torch.randint(0, 1024, [4, 256]); // int64, from 0 to 1023
 * ```
 */
export function randint(
  low: number,
  high: number,
  shape: readonly number[],
  options: RandomOptions = {},
): Tensor {
  return draw(creators.randint, [low, high, shape], options, 'int64');
}

/** Returns the integers from 0 to `count` − 1 in random order; int64. */
export function randperm(count: number, options: RandomOptions = {}): Tensor {
  return draw(creators.randperm, [count], options, 'int64');
}

/**
 * Returns the numbers from `start` (0) to `end` (exclusive) in steps of `step` (1): `arange(end)` or
 * `arange(start, end, step)`. float32 unless `dtype` is given.
 *
 * @example
 * ```ts
 * const x = torch.arange(1, 10, 3); // [1, 4, 7]
 * ```
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const given = args.filter((value) => value !== undefined);
  const options = typeof given.at(-1) === 'number' ? {} : (given.pop() as TensorOptions);
  checkOptions(options, creators.arange.operator);
  const numbers = given.filter((value) => typeof value === 'number');
  if (numbers.length !== given.length || numbers.length < 1 || numbers.length > 3) {
    const { operator } = creators.arange;
    const shown = given.map(describe).join(', ');
    throw new ArgumentError(`torch.arange takes one to three numbers, not (${shown})`, { operator });
  }
  const [start, end, step] =
    numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  return make(creators.arange, [start, end, step], options, 'float32');
}

/**
 * Returns `steps` evenly spaced numbers from `start` to `end`, both included.
 *
 * @example
 * ```ts
 * const x = torch.linspace(0, 1, 5); // [0, 0.25, 0.5, 0.75, 1]
 * ```
 */
export function linspace(start: number, end: number, steps: number, options: TensorOptions = {}): Tensor {
  return make(creators.linspace, [floatScalar(start), floatScalar(end), steps], options);
}

/** Returns the identity matrix, or its first `columns` columns. */
export function eye(rows: number, columns = rows, options: TensorOptions = {}): Tensor {
  return make(creators.eye, [rows, columns], options);
}

/**
 * Returns a tensor with a copy of the given elements. Numbers give float32, bigints int64, booleans bool, complex
 * numbers complex64, a typed array its own type (one dimension), unless `dtype` is given.
 * @throws ShapeError if nested arrays differ in length
 *
 * @example
 * ```ts
 * const x = torch.tensor([[1, 2, 3], [4, 5, 6]]); // float32 [2, 3]
 * const labels = torch.tensor([0n, 3n]); // int64 [2]
 * ```
 */
export function tensor(data: TensorData | TypedArray, options: TensorOptions = {}): Tensor {
  checkOptions(options, 'torch.tensor');
  if (ArrayBuffer.isView(data)) return fromTypedArray(data, [data.length], options);
  return naming('torch.tensor', () => {
    const { bytes, dtype, kind, shape } = packData(data, options.dtype);
    return place(bytes, dtype, shape, { dtype: kind, ...options });
  });
}

/**
 * Returns a tensor of the given shape with a copy of a typed array's elements. The output of `toTypedArray` is accepted
 * if `dtype` is that of the original tensor: bits of float16, bfloat16 and float8, interleaved parts of complex
 * numbers.
 * @throws ShapeError if the number of elements does not match the shape
 *
 * @example
 * ```ts
 * const x = torch.fromTypedArray(new Uint8Array(12), [2, 2, 3]); // uint8 [2, 2, 3]
 * ```
 */
export function fromTypedArray(
  data: TypedArray,
  shape: readonly number[],
  options: TensorOptions = {},
): Tensor {
  const operator = 'torch.fromTypedArray';
  checkOptions(options, operator);
  if (!isTypedArray(data) || !Array.isArray(shape)) {
    const given = `${describe(data)}, ${describe(shape)}`;
    throw new ArgumentError(`${operator} takes a typed array and a shape, not ${given}`, { operator });
  }
  const count = shape.reduce((product: number, size: unknown) => product * Number(size), 1);
  const wanted = options.dtype;
  const memory = wanted !== undefined && isDType(wanted) && isMemoryOf(data, wanted, count);
  const dtype = memory ? wanted : dtypeOf(data);
  if (count !== data.length && !memory) {
    throw new ShapeError(
      `a tensor of shape ${describe(shape)} has ${count} elements, but ${data.length} were given`,
      { operator },
    );
  }
  return place(bytesOf(data), dtype, shape, { dtype, ...options });
}

/** Makes a tensor from the bytes, converted and moved according to the options. */
function place(bytes: Uint8Array, dtype: DType, shape: readonly number[], options: TensorOptions): Tensor {
  const made = empty(shape, { dtype });
  writeBytes(made, 0, bytes);
  const { device = 'cpu', requiresGrad = false } = options;
  const placed =
    options.dtype === dtype && device === 'cpu' ? made : made.to({ dtype: options.dtype ?? dtype, device });
  if (placed !== made) made.dispose();
  return finish(placed, { requiresGrad });
}

/**
 * Copies bytes into a contiguous CPU tensor's memory, starting at `byteOffset`.
 * @throws ArgumentError if they do not fit
 */
export function writeBytes(target: Tensor, byteOffset: number, bytes: Uint8Array): void {
  if (inMemory(target) !== target) throw new ArgumentError('the tensor has no memory: clone it first');
  translated(() => native.copyBytes(target.handle, byteOffset, bytes, true), 'torch.writeBytes');
}

/** Copies a contiguous CPU tensor's memory, starting at `byteOffset`, into `bytes`. */
export function readBytes(source: Tensor, byteOffset: number, bytes: Uint8Array): void {
  translated(() => native.copyBytes(inMemory(source).handle, byteOffset, bytes, false), 'torch.readBytes');
}
