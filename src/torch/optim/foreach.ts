/**
 * Kernels that apply one operation to every tensor of a list. They do not check that lists have equal lengths and
 * matching shapes: {@link ListOptimizer} does.
 */
import { callOperator } from '../index.js';
import type { Tensor } from '../index.js';

type List = readonly Tensor[];

/** Returns the kernel as a function of the operator's arguments, in their order. */
function kernel<Args extends unknown[], Result = void>(
  name: string,
  overload = '',
): (...args: Args) => Result {
  return (...args) => callOperator(`aten::_foreach_${name}`, overload, args) as Result;
}

/** a + alpha · b */
export const add = kernel<[a: List, b: List, alpha: number], Tensor[]>('add', 'List');
/** a ← a + alpha · b */
export const add_ = kernel<[a: List, b: List, alpha: number]>('add_', 'List');
export const addNumber_ = kernel<[a: List, b: number]>('add_', 'Scalar');
export const addNumber = kernel<[a: List, b: number], Tensor[]>('add', 'Scalar');
export const mul_ = kernel<[a: List, b: List]>('mul_', 'List');
export const mulNumber_ = kernel<[a: List, b: number]>('mul_', 'Scalar');
export const divNumbers = kernel<[a: List, b: readonly number[]], Tensor[]>('div', 'ScalarList');
export const div_ = kernel<[a: List, b: List]>('div_', 'List');
/** a ← a + (b − a) · weight */
export const lerp_ = kernel<[a: List, b: List, weight: number]>('lerp_', 'Scalar');
/** a ← a + value · b · c */
export const addcmul_ = kernel<[a: List, b: List, c: List, value: number]>('addcmul_', 'Scalar');
/** a + value · b · c */
export const addcmul = kernel<[a: List, b: List, c: List, value: number], Tensor[]>('addcmul', 'Scalar');
const addcdivEach_ = kernel<[a: List, b: List, c: List, values: readonly number[]]>('addcdiv_', 'ScalarList');
export const sqrt = kernel<[a: List], Tensor[]>('sqrt');
export const sqrt_ = kernel<[a: List]>('sqrt_');
export const abs = kernel<[a: List], Tensor[]>('abs');
export const maximum_ = kernel<[a: List, b: List]>('maximum_', 'List');

/** a ← a + value · b / c, with one value for all tensors, or one for each. */
export function addcdiv_(a: List, b: List, c: List, values: number | readonly number[]): void {
  addcdivEach_(a, b, c, typeof values === 'number' ? a.map(() => values) : values);
}
