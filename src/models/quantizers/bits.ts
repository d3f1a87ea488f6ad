/** Indices whose bits are the signs of a code's channels. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Orders of the bits of an index: which channel counts the most. */
export const bitOrders = ['mostSignificantFirst', 'leastSignificantFirst'] as const;

export type BitOrder = (typeof bitOrders)[number];

/**
 * Returns what each of `count` bits counts in an index, int64 [count]. From the 64th on they do not fit and wrap around,
 * as in the buffers of published models.
 */
export function bitWeights(count: number, order: BitOrder = 'mostSignificantFirst'): Tensor {
  const rising = Array.from({ length: count }, (_, i) => BigInt.asIntN(64, 1n << BigInt(i)));
  return torch.tensor(order === 'leastSignificantFirst' ? rising : rising.reverse(), { dtype: 'int64' });
}

/** Returns the indices of bits [..., d], true or not 0 if set: int64 [...]. */
export function indexOfBits(bits: Tensor, weights: Tensor): Tensor {
  return bits.long().mul(weights).sum([-1]);
}

/** Returns the bits of indices [...], int64 [..., d] of 0 and 1. */
export function bitsOfIndex(indices: Tensor, weights: Tensor): Tensor {
  return indices.unsqueeze(-1).bitwiseAnd(weights).ne(0).long();
}

/** Returns −1 for bits that are 0 and 1 for others, in the given dtype. */
export function signsOf(bits: Tensor, dtype: torch.DType): Tensor {
  return bits.to(dtype).mul(2).sub(1);
}
