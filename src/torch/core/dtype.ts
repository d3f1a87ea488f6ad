import { ArgumentError } from './errors.js';

/** Element types by PyTorch's names. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool'
  | 'complex32'
  | 'complex64'
  | 'complex128'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'float8_e4m3fn'
  | 'float8_e5m2'
  | 'qint8'
  | 'quint8'
  | 'qint32';

/** Typed arrays that every engine has. */
export type PlainArrays =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

/**
 * Typed arrays that hold elements on the way to and from JavaScript. Includes Float16Array if the compiler knows it
 * (`lib` of `esnext`) and the engine has it (Node 24).
 */
export type TypedArray = typeof globalThis extends { Float16Array: { prototype: infer Half } }
  ? PlainArrays | Half
  : PlainArrays;

type TypedArrayClass = new (buffer: ArrayBuffer) => TypedArray;

/** Holds float16: as numbers if the engine has Float16Array, otherwise as their bits. */
const halfArray: TypedArrayClass =
  (globalThis as { Float16Array?: TypedArrayClass }).Float16Array ?? Uint16Array;

/** libtorch's number of each element type (c10/core/ScalarType.h), its bytes, and the array class that holds it. */
const table: Readonly<Record<DType, readonly [number: number, bytes: number, array: TypedArrayClass]>> = {
  float32: [6, 4, Float32Array],
  float64: [7, 8, Float64Array],
  float16: [5, 2, halfArray],
  bfloat16: [15, 2, Uint16Array],
  int64: [4, 8, BigInt64Array],
  int32: [3, 4, Int32Array],
  int16: [2, 2, Int16Array],
  int8: [1, 1, Int8Array],
  uint8: [0, 1, Uint8Array],
  bool: [11, 1, Uint8Array],
  complex32: [8, 4, halfArray],
  complex64: [9, 8, Float32Array],
  complex128: [10, 16, Float64Array],
  uint16: [27, 2, Uint16Array],
  uint32: [28, 4, Uint32Array],
  uint64: [29, 8, BigUint64Array],
  float8_e4m3fn: [24, 1, Uint8Array],
  float8_e5m2: [23, 1, Uint8Array],
  qint8: [12, 1, Int8Array],
  quint8: [13, 1, Uint8Array],
  qint32: [14, 4, Int32Array],
};

const names = Object.keys(table) as DType[];
const column = <K extends 0 | 1 | 2>(k: K) =>
  Object.fromEntries(names.map((name) => [name, table[name][k]])) as Record<DType, (typeof table)[DType][K]>;

/** Bytes per element. */
export const itemSize: Readonly<Record<DType, number>> = column(1);

/** The array class that holds a dtype's elements; bfloat16 as its bits, complex numbers interleaved. */
export const arrayClass: Readonly<Record<DType, TypedArrayClass>> = column(2);

/** The element types by libtorch's numbers. */
const byNumber = Array.from({ length: 30 }, (_, n) => names.find((name) => table[name][0] === n) ?? null);

/** Returns the name of an element type from libtorch's number; `unknown(n)` for numbers without a name here. */
export function dtypeName(number: number): DType {
  return byNumber[number] ?? (`unknown(${number})` as DType);
}

/** Returns libtorch's number for an element type; undefined for an unknown name. */
export function dtypeNumber(name: string): number | undefined {
  return isDType(name) ? byNumber.indexOf(name) : undefined;
}

/** True if a text is the name of a dtype, such as `float32`; PyTorch's short names (`float`) are not. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(itemSize, name);
}

/** True if a dtype, or a tensor's dtype, is floating-point. */
export function isFloatingPoint(of: DType | { readonly dtype: DType }): boolean {
  return /^b?float/.test(nameIn(of, 'torch.isFloatingPoint'));
}

/** True if a dtype, or a tensor's dtype, is complex. */
export function isComplex(of: DType | { readonly dtype: DType }): boolean {
  return nameIn(of, 'torch.isComplex').startsWith('complex');
}

function nameIn(of: unknown, operator: string): string {
  const name: unknown = typeof of === 'object' && of !== null ? (of as { dtype?: unknown }).dtype : of;
  if (typeof name === 'string') return name;
  throw new ArgumentError(`${operator} takes a dtype or a tensor`, { operator });
}

const byClass: Readonly<Record<string, DType>> = {
  Float16Array: 'float16',
  Float32Array: 'float32',
  Float64Array: 'float64',
  BigInt64Array: 'int64',
  BigUint64Array: 'uint64',
  Int32Array: 'int32',
  Int16Array: 'int16',
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Uint16Array: 'uint16',
  Uint32Array: 'uint32',
};

// Works by the class name, so that arrays from another realm, such as a test runner's, are recognised too.
const className = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

function classOf(value: unknown): string | undefined {
  return className.call(value) as string | undefined;
}

/** True if a value is a typed array that tensors can be made from. */
export function isTypedArray(value: unknown): value is TypedArray {
  const name = classOf(value);
  return name !== undefined && Object.hasOwn(byClass, name);
}

/** Returns the dtype of a typed array's elements. */
export function dtypeOf(array: TypedArray): DType {
  return byClass[classOf(array) ?? ''] ?? 'uint8';
}

// Elements without a JavaScript number type, and complex numbers, which are stored in two parts.
const memoryClasses: Readonly<Partial<Record<DType, readonly string[]>>> = {
  float16: ['Uint16Array'],
  bfloat16: ['Uint16Array'],
  float8_e4m3fn: ['Uint8Array'],
  float8_e5m2: ['Uint8Array'],
  complex32: ['Float16Array', 'Uint16Array'],
  complex64: ['Float32Array'],
  complex128: ['Float64Array'],
};

/**
 * True if a typed array holds the memory of `count` elements of a dtype, as returned by `toTypedArray`, instead of one
 * number for each: the bits of float16, bfloat16 and float8, or both parts of complex numbers.
 */
export function isMemoryOf(array: TypedArray, dtype: DType, count: number): boolean {
  const length = dtype.startsWith('complex') ? 2 * count : count;
  return array.length === length && (memoryClasses[dtype]?.includes(classOf(array) ?? '') ?? false);
}
