import { ArgumentError } from '../../index.js';
import type { Tensor } from '../../index.js';
import type { Reduction } from './losses.js';

/** Returns libtorch's number for a reduction, by default the mean. @throws ArgumentError for an unknown one */
export function reductionCode(reduction: Reduction = 'mean'): number {
  const code = { none: 0, mean: 1, sum: 2 }[reduction];
  if (code === undefined)
    throw new ArgumentError(`reduction must be none, mean or sum, not '${String(reduction)}'`);
  return code;
}

/** Returns the losses, their mean or their sum. */
export function reduced(losses: Tensor, reduction?: Reduction): Tensor {
  const code = reductionCode(reduction);
  return code === 0 ? losses : code === 1 ? losses.mean() : losses.sum();
}
