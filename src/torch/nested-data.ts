import type { DType, TypedArray } from './core/dtype.js';
import { describe } from './core/describe.js';
import { ArgumentError, ShapeError } from './core/errors.js';
import { ComplexScalar } from './core/scalar.js';
import { Tensor } from './core/tensor.js';

/** Numbers, booleans, bigints and complex numbers in nested arrays. */
export type TensorData = number | boolean | bigint | ComplexScalar | readonly TensorData[];

/** Nested arrays packed into a tensor's memory. */
export interface PackedData {
  bytes: Uint8Array;
  /** The dtype of the bytes: conversion from it to the requested dtype loses nothing. */
  dtype: DType;
  /** The dtype that the elements have if none is requested. */
  kind: DType;
  shape: number[];
}

/** Packs nested arrays. @throws ShapeError if they differ in length, ArgumentError for an invalid element */
export function packData(data: TensorData, wanted?: DType): PackedData {
  const shape = shapeOf(data);
  const flat: Element[] = [];
  flatten(data, shape, 0, flat);
  const kind = commonDType(flat);
  return { ...pack(flat, kind, wanted), kind, shape };
}

type Element = number | boolean | bigint | ComplexScalar;

/** Returns the default dtype for an element. */
export function inferDType(value: unknown): DType {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int64';
  return value instanceof ComplexScalar ? 'complex64' : 'float32';
}

function commonDType(flat: readonly Element[]): DType {
  const kinds = new Set(flat.map(inferDType));
  const order: DType[] = ['complex64', 'float32', 'int64', 'bool'];
  return order.find((kind) => kinds.has(kind)) ?? 'float32';
}

/** Returns the elements' bytes, in a dtype that converts to the requested one without loss. */
function pack(
  flat: readonly Element[],
  kind: DType,
  wanted: DType = kind,
): { bytes: Uint8Array; dtype: DType } {
  if (kind === 'bool') return { bytes: Uint8Array.from(flat, Number), dtype: 'bool' };
  if (kind === 'int64')
    return {
      bytes: bytesOf(BigInt64Array.from(flat.map((value) => exactBits(BigInt(value as bigint))))),
      dtype: 'int64',
    };
  if (kind === 'complex64') {
    const parts = flat.flatMap((value) =>
      value instanceof ComplexScalar ? [value.re, value.im] : [Number(value), 0],
    );
    return { bytes: bytesOf(Float64Array.from(parts)), dtype: 'complex128' };
  }
  const numbers = flat.map(Number);
  if (wanted === 'float32') return { bytes: bytesOf(Float32Array.from(numbers)), dtype: 'float32' };
  return { bytes: bytesOf(Float64Array.from(numbers)), dtype: 'float64' };
}

function exactBits(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new ArgumentError(`${value} does not fit into 64 bits`);
}

/** Returns a typed array's memory. @throws ArgumentError if it was transferred */
export function bytesOf(array: TypedArray): Uint8Array {
  try {
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  } catch (cause) {
    const text =
      'the typed array has no memory: its buffer was transferred; create the tensor before the transfer';
    throw new ArgumentError(text, { cause, operator: 'torch.fromTypedArray' });
  }
}

// libtorch's own limit; it also stops at an array that contains itself.
const MOST_DIMENSIONS = 64;

function shapeOf(data: TensorData): number[] {
  const shape: number[] = [];
  for (let level: TensorData = data; Array.isArray(level); level = level[0] as TensorData) {
    shape.push(level.length);
    if (level.length === 0) break;
    if (shape.length > MOST_DIMENSIONS)
      throw new ShapeError(`a tensor has at most ${MOST_DIMENSIONS} dimensions`);
  }
  return shape;
}

function elementText(data: unknown): string {
  if (typeof data !== 'object') return typeof data;
  const name = describe(data);
  if (ArrayBuffer.isView(data)) return `${name}; make a tensor of each and join them with torch.stack`;
  return data instanceof Tensor ? `${name}; torch.stack joins tensors` : name;
}

function flatten(data: TensorData, shape: readonly number[], dimension: number, into: Element[]): void {
  if (!Array.isArray(data)) {
    if (dimension < shape.length) throw uneven(dimension);
    const known = ['number', 'boolean', 'bigint'].includes(typeof data) || data instanceof ComplexScalar;
    if (!known)
      throw new ArgumentError(
        `an element must be a number, boolean, bigint or complex number, not ${elementText(data)}`,
      );
    into.push(data as Element);
    return;
  }
  if (data.length !== shape[dimension]) throw uneven(dimension);
  for (const part of data as readonly TensorData[]) flatten(part, shape, dimension + 1, into);
}

function uneven(dimension: number): ShapeError {
  return new ShapeError(`the nested arrays differ in length in dimension ${dimension}`);
}
