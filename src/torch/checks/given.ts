/** Helpers with which rules read their arguments. */
import { ComplexScalar, FloatScalar } from '../core/scalar.js';
import { scope } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';

/** Returns a JavaScript number or bigint as a number. */
export function number(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : (value as number);
}

/** Returns the real part of a scalar. */
export function scalarValue(value: unknown): number {
  if (value instanceof FloatScalar) return value.value;
  return value instanceof ComplexScalar ? value.re : Number(value);
}

/** Returns the largest of the numbers in a list, or the one number for all dimensions. */
export function largestOf(size: unknown): number {
  return Math.max(...(Array.isArray(size) ? size : [size]).map(number));
}

/** True if `test` holds for all elements, or there is no memory to read. */
export function all(tensor: Tensor, test: 'isfinite' | 'isnan', expected: boolean): boolean {
  if (tensor.device === 'meta' || tensor.numel() === 0) return true;
  return scope(() => Boolean(tensor.detach()[test]().eq(expected).all().item()));
}
