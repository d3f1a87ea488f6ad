/** NumPy's values in pickles: element types, arrays and scalars. */
import { itemSize, type TypedArray } from '../core/dtype.js';
import { dtypeOfCode, numbersIn } from './numpy-dtypes.js';
import { NumpyArray, NumpyType, PickledComplex, PickledGlobal, PickledTuple } from './pickle-values.js';
import type { Fail, Pickled } from './pickle-values.js';

function plain(value: bigint): number | bigint {
  return BigInt.asIntN(54, value) === value ? Number(value) : value;
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function elementSize(code: string): number {
  const size = Number(code.slice(1));
  return Number.isSafeInteger(size) && size > 0 ? size : 0;
}

/** Runs BUILD on an element type or an array: their `__setstate__`. */
export function buildNumpy(target: NumpyType | NumpyArray, state: Pickled, fail: Fail): void {
  const items = state instanceof PickledTuple ? state.items : fail('the NumPy state is not a tuple');
  if (target instanceof NumpyType) {
    target.bigEndian = items[1] === '>';
    return;
  }
  const [, shape, type, columnMajor, data] = items;
  // Arrays of Python objects carry a list.
  if (Array.isArray(data)) {
    target.objects = data;
    target.shape = sizesOf(shape, fail);
    return;
  }
  fillArray(target, shape, type, columnMajor === true, data, fail);
}

function fillArray(
  target: NumpyArray,
  shape: Pickled | undefined,
  type: Pickled | undefined,
  columnMajor: boolean,
  data: Pickled | undefined,
  fail: Fail,
): void {
  const bytes = toBytes(data) ?? fail('the NumPy array has no bytes');
  const sizes = sizesOf(shape, fail);
  if (!(type instanceof NumpyType)) return fail('the NumPy array has no element type');
  const count = sizes.reduce((product, size) => product * size, 1);
  const size = elementBytes(type.code);
  if ((dtypeOfCode(type.code) !== null || isText(type.code)) && count * size !== bytes.length) {
    fail(`the NumPy array has ${count} elements of ${size} bytes, but ${bytes.length} bytes of data`);
  }
  target.shape = sizes;
  target.type = type;
  target.columnMajor = columnMajor;
  target.data = bytes;
}

function toBytes(value: Pickled | undefined): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  // Bytes written by Python 2 arrive as text.
  return typeof value === 'string' ? Uint8Array.from(Buffer.from(value, 'latin1')) : null;
}

function sizesOf(shape: Pickled | undefined, fail: Fail): number[] {
  const sizes = shape instanceof PickledTuple ? shape.items : [];
  if (!sizes.every((size) => Number.isSafeInteger(size) && (size as number) >= 0) || sizes.length > 64) {
    fail('the shape of the NumPy array is not a list of sizes');
  }
  return [...(sizes as number[])];
}

/** Texts of a fixed number of characters, four bytes each. */
const isText = (code: string): boolean => /^U\d+$/.test(code);

/** Returns the bytes of an element: for numbers those in the code, for texts four per character. */
function elementBytes(code: string): number {
  return isText(code) ? 4 * elementSize(code) : elementSize(code);
}

/** Reads UTF-32 padded with zeros. */
function textOf(bytes: Uint8Array, { bigEndian }: NumpyType): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = view.getUint32(at, !bigEndian);
    text += code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  }
  return text.replace(/\0+$/, '');
}

/** `numpy.dtype(code, …)`. */
export function numpyType([code]: readonly Pickled[], fail: Fail): NumpyType {
  if (code instanceof PickledGlobal) return new NumpyType('O');
  return new NumpyType(typeof code === 'string' ? code : fail('the NumPy type has no code'));
}

/** `numpy.core.multiarray.scalar(type, bytes)`. */
export function numpyScalar([type, data]: readonly Pickled[], fail: Fail): Pickled {
  if (!(type instanceof NumpyType)) return fail('the NumPy scalar has no type');
  if (isText(type.code)) {
    return textOf(toBytes(data) ?? fail('the NumPy string has no bytes'), type);
  }
  const dtype = dtypeOfCode(type.code);
  if (dtype === null) return data ?? null;
  const bytes = toBytes(data);
  if (bytes === null || bytes.length !== itemSize[dtype]) {
    return fail(`the NumPy scalar of type ${type.code.slice(0, 20)} has the wrong number of bytes`);
  }
  const numbers = numbersIn(Uint8Array.from(bytes), dtype, type.bigEndian);
  if (dtype === 'float16') return halfToNumber(new Uint16Array(numbers.buffer)[0]!);
  const [value = 0, imaginary] = numbers;
  if (dtype === 'bool') return value !== 0;
  if (typeof value === 'bigint') return plain(value);
  return imaginary === undefined ? value : new PickledComplex(value, imaginary as number);
}

/** `_frombuffer(buffer, type, shape, order)` of protocol 5. */
export function numpyFromBuffer(args: readonly Pickled[], fail: Fail): NumpyArray {
  const [data, type, shape, order] = args;
  const array = new NumpyArray();
  fillArray(array, shape, type, order === 'F', data, fail);
  return array;
}

/** An array in the metadata: the element type by NumPy's name, the shape, and the elements in row-major order. */
export interface PlainArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Complex numbers are interleaved, float16 is stored as its bits if the engine has no Float16Array, booleans as
   * bytes; texts and Python objects as an array of values; empty for other elements that are not numbers.
   */
  readonly data: TypedArray | readonly unknown[];
}

export function plainArray({ shape, type, columnMajor, data }: NumpyArray): PlainArray {
  const code = type?.code ?? 'O';
  const dtype = dtypeOfCode(code);
  if (dtype === null) {
    const texts = type && /^[US]\d+$/.test(code) ? textsOf({ shape, columnMajor, data }, type) : null;
    return { dtype: code, shape: [...shape], data: texts ?? new Uint8Array(0) };
  }
  const bytes = columnMajor ? rowMajor(data, shape, itemSize[dtype]) : Uint8Array.from(data);
  return { dtype, shape: [...shape], data: numbersIn(bytes, dtype, type!.bigEndian) };
}

/** Decodes texts of four bytes per character, or of one. */
function textsOf(
  { shape, columnMajor, data }: Pick<NumpyArray, 'shape' | 'columnMajor' | 'data'>,
  type: NumpyType,
): string[] {
  const size = elementBytes(type.code);
  const bytes = columnMajor ? rowMajor(data, shape, size) : data;
  const count = size === 0 ? 0 : Math.floor(bytes.length / size);
  return Array.from({ length: count }, (_, i) => {
    const element = bytes.subarray(i * size, (i + 1) * size);
    if (isText(type.code)) return textOf(element, type);
    return Buffer.from(element).toString('latin1').replace(/\0+$/, '');
  });
}

function rowMajor(data: Uint8Array, shape: readonly number[], size: number): Uint8Array<ArrayBuffer> {
  const strides = shape.map((_, d) => shape.slice(0, d).reduce((product, length) => product * length, size));
  const ordered = new Uint8Array(data.length);
  for (let to = 0; to < data.length; to += size) {
    let rest = to / size;
    let from = 0;
    for (let d = shape.length - 1; d >= 0; d--) {
      const length = shape[d] as number;
      from += (rest % length) * (strides[d] as number);
      rest = Math.floor(rest / length);
    }
    ordered.set(data.subarray(from, from + size), to);
  }
  return ordered;
}
