import { arrayClass, itemSize, type TypedArray } from './core/dtype.js';
import { ArgumentError } from './core/errors.js';
import { translated } from './core/translated.js';
import { native } from './native/load.js';
import { ComplexScalar } from './core/scalar.js';
import { scope } from './core/scope.js';
import type { Tensor } from './core/tensor.js';

export type NestedArray = Elements[];

/** A tensor's elements in JavaScript: nested arrays, or the only element of a tensor without dimensions. */
export type Elements = number | boolean | ComplexScalar | NestedArray;

/** See `Tensor.toTypedArray`. */
export function toTypedArray(tensor: Tensor): TypedArray {
  return scope(() => {
    const dense = inMemory(tensor.detach().cpu()).resolveConj().resolveNeg().contiguous();
    const buffer = new ArrayBuffer(dense.numel() * itemSize[dense.dtype]);
    const bytes = new Uint8Array(buffer);
    translated(() => native.copyBytes(dense.handle, 0, bytes, false), 'Tensor.toTypedArray');
    return new arrayClass[dense.dtype](buffer);
  });
}

/** Returns the tensor, or a copy if it has no memory: some all-zero gradients are placeholders. */
export function inMemory(tensor: Tensor): Tensor {
  return tensor.storage.address === 0 && tensor.numel() > 0 ? tensor.clone() : tensor;
}

/** See `Tensor.tolist`. */
export function tolist(tensor: Tensor): Elements {
  return scope(() => nest(tensor));
}

// A tensor without elements may still have billions of rows.
const MOST_ROWS = 2 ** 26;

function nest(tensor: Tensor): Elements {
  const { shape } = tensor;
  const rows = shape.slice(0, -1).reduce((product, size) => product * Math.max(1, size), 1);
  if (tensor.numel() === 0 && rows > MOST_ROWS)
    throw new ArgumentError(`cannot create ${rows} empty arrays`, { operator: 'Tensor.tolist' });
  const floats = /^b?float/.test(tensor.dtype) && tensor.dtype !== 'float64';
  const flat = (
    floats ? tensor.to('float32') : tensor.dtype === 'complex32' ? tensor.to('complex64') : tensor
  ).toTypedArray();
  const complex = tensor.dtype.startsWith('complex');
  const element = (i: number): number | boolean | ComplexScalar => {
    if (complex) return new ComplexScalar(flat[2 * i] as number, flat[2 * i + 1] as number);
    const value = flat[i]!;
    if (tensor.dtype === 'bool') return value !== 0;
    if (typeof value === 'number') return value;
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new ArgumentError(
      `${value} is beyond 2^53 and has no exact JavaScript number; read it with toTypedArray()`,
      { operator: 'Tensor.tolist' },
    );
  };
  const build = (dimension: number, start: number, step: number): Elements => {
    if (dimension === shape.length) return element(start);
    const size = shape[dimension]!;
    const inner = size === 0 ? 0 : step / size;
    return Array.from({ length: size }, (_, i) => build(dimension + 1, start + i * inner, inner));
  };
  return build(0, 0, tensor.numel());
}
