import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import { pair } from '../sizes.js';
import type { Size2 } from '../sizes.js';

export interface PoolFunctionOptions {
  stride?: Size2;
  padding?: Size2;
  ceilMode?: boolean;
}

/**
 * Returns the largest element of each window: [B, C, H, W] → [B, C, H', W']. The stride is the window's size by
 * default.
 *
 * @example
 * ```ts
 * const y = F.maxPool2d(torch.randn([2, 64, 32, 32]), 3, { stride: 2, padding: 1 }); // [2, 64, 16, 16]
 * ```
 */
export function maxPool2d(input: Tensor, kernelSize: Size2, options: PoolFunctionOptions = {}): Tensor {
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  return torch.maxPool2d(input, pair(kernelSize), pair(stride), pair(padding), [1, 1], ceilMode);
}

/**
 * Returns the mean of each window, padding counted as zeros: [B, C, H, W] → [B, C, H', W']. The stride is the window's
 * size by default.
 *
 * @example
 * ```ts
 * const y = F.avgPool2d(torch.randn([2, 64, 32, 32]), 2); // [2, 64, 16, 16]
 * ```
 */
export function avgPool2d(input: Tensor, kernelSize: Size2, options: PoolFunctionOptions = {}): Tensor {
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  return torch.avgPool2d(input, pair(kernelSize), pair(stride), pair(padding), ceilMode);
}
