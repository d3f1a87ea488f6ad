import { acrossCopies } from './core/across-copies.js';
import { describe } from './core/describe.js';
import { ArgumentError, IndexError, named } from './core/errors.js';
import { callOperator } from './core/dispatch.js';
import { Tensor } from './core/tensor.js';

/**
 * A part of a dimension: `torch.slice(start, end, step)`, like Python's `start:end:step`.
 *
 * @example
 * ```ts
 * const { start, end, step } = new torch.Slice(0, 10, 2); // torch.slice(0, 10, 2) makes it too
 * ```
 */
export class Slice {
  /** First element, counted from the end if negative; null for the dimension's first. */
  readonly start: number | null;
  /** Element to stop before, counted from the end if negative; null for none. */
  readonly end: number | null;
  /** Distance between the elements taken, at least 1. */
  readonly step: number;

  constructor(start: number | null, end: number | null, step: number) {
    if (!Number.isInteger(step) || step < 1) {
      throw new ArgumentError(
        `a slice's step must be a positive integer, not ${describe(step)}: libtorch has no negative strides; use flip`,
        { operator: 'torch.slice' },
      );
    }
    this.start = start;
    this.end = end;
    this.step = step;
  }
}

acrossCopies(Slice, 'Slice');

/** An index into a dimension: see `Tensor.at`. */
export type Index = number | Slice | '...' | null | boolean | Tensor;

/**
 * Selects the elements from `start` to `end` (exclusive); negative positions count from the end, null means all.
 *
 * @example
 * ```ts
 * const x = torch.arange(12).reshape([3, 4]);
 * const columns = x.at('...', torch.slice(1, 3)); // [3, 2]
 * ```
 */
export function slice(start: number | null = null, end: number | null = null, step = 1): Slice {
  return new Slice(start, end, step);
}

interface Selection {
  view: Tensor;
  /** Index tensors in the order of the view's dimensions; null where a dimension is taken whole. */
  tensors: (Tensor | null)[];
}

// The maximum number of dimensions, as many new ones, and '...'.
const MOST_INDICES = 129;

/** Applies all indices that give a view, and collects the remaining index tensors. */
function select(tensor: Tensor, indices: readonly Index[], operator: string): Selection {
  try {
    return selection(tensor, indices);
  } catch (error) {
    throw named(error, operator);
  }
}

function selection(tensor: Tensor, indices: readonly Index[]): Selection {
  if (!Array.isArray(indices)) throw new ArgumentError(`indices must be an array, not ${describe(indices)}`);
  if (indices.length > MOST_INDICES)
    throw new IndexError(`a tensor takes at most ${MOST_INDICES} indices, not ${indices.length}`);
  const used = indices.reduce<number>((count, index) => count + dimensionsOf(index), 0);
  const dimensions = tensor.ndim;
  if (used > dimensions) throw new IndexError(`${used} indices for a tensor of ${dimensions} dimensions`);
  if (indices.filter((index) => index === '...').length > 1)
    throw new IndexError("only one '...' is allowed");
  let view = tensor;
  let dim = 0;
  const tensors: (Tensor | null)[] = [];
  for (const index of indices) {
    if (index === '...') {
      for (let i = used; i < dimensions; i++) tensors.push(null);
      dim += dimensions - used;
    } else if (index === null) {
      view = callOperator('aten::unsqueeze', '', [view, dim++]) as Tensor;
      tensors.push(null);
    } else if (typeof index === 'number') {
      if (!Number.isInteger(index)) throw new IndexError(`an index must be an integer, not ${index}`);
      view = callOperator('aten::select', 'int', [view, dim, index]) as Tensor;
    } else if (index instanceof Slice) {
      const { start, end, step } = index;
      view = callOperator('aten::slice', 'Tensor', [view, dim++, start, end, step]) as Tensor;
      tensors.push(null);
    } else if (index instanceof Tensor) {
      // A mask covers several dimensions with one entry.
      tensors.push(index);
      dim += dimensionsOf(index);
    } else {
      throw new ArgumentError(
        `cannot index with ${describe(index)}; use an integer, torch.slice, '...', null or a tensor`,
      );
    }
  }
  return { view, tensors };
}

function dimensionsOf(index: Index): number {
  if (index === null || index === '...') return 0;
  if (index instanceof Tensor && (index.dtype === 'bool' || index.dtype === 'uint8')) return index.ndim;
  return 1;
}

/** Implements `x[indices]`. */
export function at(tensor: Tensor, indices: readonly Index[]): Tensor {
  const { view, tensors } = select(tensor, indices, 'Tensor.at');
  if (!tensors.some((index) => index !== null)) {
    return view === tensor ? (callOperator('aten::alias', '', [view]) as Tensor) : view;
  }
  return callOperator('aten::index', 'Tensor', [view, tensors]) as Tensor;
}

/**
 * Implements `x[indices] = value`, in place; returns the tensor.
 *
 * @example
 * ```ts
 * const x = torch.zeros([2, 3]);
 * torch.setAt(x, [0, torch.slice(1)], 5); // [[0, 5, 5], [0, 0, 0]]
 * ```
 */
export function setAt(tensor: Tensor, indices: readonly Index[], value: Tensor | number | boolean): Tensor {
  const operator = 'torch.setAt';
  if (!(tensor instanceof Tensor))
    throw new ArgumentError(`${operator} takes a tensor, not ${describe(tensor)}`, { operator });
  const { view, tensors } = select(tensor, indices, operator);
  if (!tensors.some((index) => index !== null)) {
    if (value instanceof Tensor) callOperator('aten::copy_', '', [view, value]);
    else callOperator('aten::fill_', 'Scalar', [view, value]);
    return tensor;
  }
  const values =
    value instanceof Tensor
      ? value
      : (callOperator('aten::full', '', [[], value], { dtype: view.dtype, device: view.device }) as Tensor);
  callOperator('aten::index_put_', '', [view, tensors, values]);
  return tensor;
}
