/** The element types of NumPy that tensors have, for its array files and for pickles. */
import { arrayClass, itemSize, type DType, type TypedArray } from '../core/dtype.js';

/** Element types by NumPy's code, without the byte order. */
const dtypes: Readonly<Record<string, DType>> = {
  b1: 'bool',
  u1: 'uint8',
  i1: 'int8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  c8: 'complex64',
  c16: 'complex128',
};

/** Returns the element type of NumPy's code, or null if tensors have none such. */
export function dtypeOfCode(code: string): DType | null {
  return Object.hasOwn(dtypes, code) ? dtypes[code]! : null;
}

/** Returns NumPy's code of an element type, or undefined if NumPy has none such. */
export function codeOfDType(dtype: DType): string | undefined {
  return Object.keys(dtypes).find((code) => dtypes[code] === dtype);
}

/** Reverses the bytes of each number in place; those of each part of a complex one. */
export function swapBytes(bytes: Uint8Array, dtype: DType): void {
  const size = itemSize[dtype] / (dtype.startsWith('complex') ? 2 : 1);
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** Returns the numbers in bytes, which they share and whose order may be changed. */
export function numbersIn(bytes: Uint8Array<ArrayBuffer>, dtype: DType, bigEndian: boolean): TypedArray {
  if (bigEndian) swapBytes(bytes, dtype);
  return new arrayClass[dtype](bytes.buffer);
}
