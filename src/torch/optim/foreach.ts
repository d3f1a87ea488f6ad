/**
 * Kernels that apply one operation to every tensor of a list. They do not check that lists have equal lengths and
 * matching shapes: {@link ListOptimizer} does.
 */
import { callOperator } from '../index.js';
import type { Tensor } from '../index.js';

type List = readonly Tensor[];

function call(
  name: string,
  overload: string,
  args: unknown[],
  options: Record<string, unknown> = {},
): Tensor[] {
  return callOperator(`aten::_foreach_${name}`, overload, args, options) as Tensor[];
}

/** a + alpha · b */
export function add(a: List, b: List, alpha: number): Tensor[] {
  return call('add', 'List', [a, b], { alpha });
}

/** a ← a + alpha · b */
export function add_(a: List, b: List, alpha = 1): void {
  call('add_', 'List', [a, b], { alpha });
}

export function addNumber_(a: List, b: number): void {
  call('add_', 'Scalar', [a, b]);
}

export function addNumber(a: List, b: number): Tensor[] {
  return call('add', 'Scalar', [a, b]);
}

export function mul_(a: List, b: List): void {
  call('mul_', 'List', [a, b]);
}

export function mulNumber_(a: List, b: number): void {
  call('mul_', 'Scalar', [a, b]);
}

export function divNumbers(a: List, b: readonly number[]): Tensor[] {
  return call('div', 'ScalarList', [a, b]);
}

export function div_(a: List, b: List): void {
  call('div_', 'List', [a, b]);
}

/** a ← a + (b − a) · weight */
export function lerp_(a: List, b: List, weight: number): void {
  call('lerp_', 'Scalar', [a, b, weight]);
}

/** a ← a + value · b · c */
export function addcmul_(a: List, b: List, c: List, value: number): void {
  call('addcmul_', 'Scalar', [a, b, c, value]);
}

/** a + value · b · c */
export function addcmul(a: List, b: List, c: List, value: number): Tensor[] {
  return call('addcmul', 'Scalar', [a, b, c, value]);
}

/** a ← a + value · b / c, with one value for all tensors, or one for each. */
export function addcdiv_(a: List, b: List, c: List, values: number | readonly number[]): void {
  call('addcdiv_', 'ScalarList', [a, b, c, typeof values === 'number' ? a.map(() => values) : values]);
}

export function sqrt(a: List): Tensor[] {
  return call('sqrt', '', [a]);
}

export function sqrt_(a: List): void {
  call('sqrt_', '', [a]);
}

export function abs(a: List): Tensor[] {
  return call('abs', '', [a]);
}

export function maximum_(a: List, b: List): void {
  call('maximum_', 'List', [a, b]);
}
