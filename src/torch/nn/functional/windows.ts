import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import { pair, spread } from '../sizes.js';
import type { Size, Size2 } from '../sizes.js';

/** The positions of windows on an image. */
export interface WindowOptions {
  /** Distance between neighbouring windows. Default 1. */
  stride?: Size2;
  /** Zeros around the image. Default 0. */
  padding?: Size2;
  /** Distance between the elements of a window. Default 1. */
  dilation?: Size2;
}

/**
 * Extracts every window of [B, C, H, W] as a column: [B, C · kernel area, number of windows], row by row.
 * @throws TorchError if no window fits
 *
 * @example
 * ```ts
 * const y = F.unfold(torch.randn([2, 3, 8, 8]), 3, { padding: 1 }); // [2, 27, 64]
 * ```
 */
export function unfold(input: Tensor, kernelSize: Size2, options: WindowOptions = {}): Tensor {
  const { stride = 1, padding = 0, dilation = 1 } = options;
  return torch.im2col(input, pair(kernelSize), pair(dilation), pair(padding), pair(stride));
}

/**
 * Adds the columns of {@link unfold} up at their positions: [B, C · kernel area, number of windows] to [B, C, H, W],
 * where [H, W] is `outputSize`. Elements in several windows are summed.
 * @throws TorchError if the columns are not those of such an image
 *
 * @example
 * ```ts
 * const y = F.fold(torch.randn([2, 12, 16]), [8, 8], 2, { stride: 2 }); // [2, 3, 8, 8]
 * ```
 */
export function fold(
  input: Tensor,
  outputSize: Size2,
  kernelSize: Size2,
  options: WindowOptions = {},
): Tensor {
  const { stride = 1, padding = 0, dilation = 1 } = options;
  return torch.col2im(input, pair(outputSize), pair(kernelSize), pair(dilation), pair(padding), pair(stride));
}

/** The window positions of the pooling that is undone. */
export interface UnpoolOptions {
  /** Default: the kernel's size. */
  stride?: Size;
  /** Default 0. */
  padding?: Size;
  /** Sizes of the last dimensions of the result, if several would be pooled to the input's size. */
  outputSize?: readonly number[];
}

/** Puts the maxima of [B, C, L] back at the positions in `indices`, zeros elsewhere. See `MaxPool1d.withIndices`. */
export function maxUnpool1d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Size,
  options: UnpoolOptions = {},
): Tensor {
  const [length] = sizeBefore(input, 1, kernelSize, options) as [number];
  return torch.maxUnpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [length, 1]).squeeze(-1);
}

/** Puts the maxima of [B, C, H, W] back at the positions in `indices`, zeros elsewhere. See `MaxPool2d.withIndices`. */
export function maxUnpool2d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Size,
  options: UnpoolOptions = {},
): Tensor {
  return torch.maxUnpool2d(input, indices, sizeBefore(input, 2, kernelSize, options));
}

/**
 * Puts the maxima of [B, C, D, H, W] back at the positions in `indices`, zeros elsewhere. See `MaxPool3d.withIndices`.
 */
export function maxUnpool3d(
  input: Tensor,
  indices: Tensor,
  kernelSize: Size,
  options: UnpoolOptions = {},
): Tensor {
  const stride = spread(options.stride ?? kernelSize, 3, 'stride');
  const padding = spread(options.padding ?? 0, 3, 'padding');
  return torch.maxUnpool3d(input, indices, sizeBefore(input, 3, kernelSize, options), stride, padding);
}

/** Returns the size before pooling. @throws ShapeError for an `outputSize` that is not pooled to the input's size */
function sizeBefore(input: Tensor, dims: number, kernelSize: Size, options: UnpoolOptions): number[] {
  const kernel = spread(kernelSize, dims, 'kernel size');
  const stride = spread(options.stride ?? kernelSize, dims, 'stride');
  const padding = spread(options.padding ?? 0, dims, 'padding');
  const least = input.shape
    .slice(-dims)
    .map((size, i) => (size - 1) * stride[i]! + kernel[i]! - 2 * padding[i]!);
  const given = options.outputSize?.slice(-dims);
  if (!given) return least;
  const fits = given.length === dims && given.every((size, i) => Math.abs(size - least[i]!) < stride[i]!);
  if (fits) return given;
  throw new torch.ShapeError(
    `maxUnpool${dims}d: an output of [${given.join(', ')}] would not be pooled to the input's size; each size may differ from ` +
      `[${least.join(', ')}] by less than the stride, [${stride.join(', ')}]`,
  );
}

/** The windows of power-average pooling. */
export interface PowerPoolOptions {
  /** Default: the kernel's size. */
  stride?: Size;
  /** Round output sizes up. Default false. */
  ceilMode?: boolean;
}

/** Returns the p-norm of each window of [B, C, L]: (Σ xᵖ)^(1/p). */
export const lpPool1d = lpPool(1, torch.avgPool1d);

/** Returns the p-norm of each window of [B, C, H, W]: (Σ xᵖ)^(1/p). */
export const lpPool2d = lpPool(2, torch.avgPool2d);

/** Returns the p-norm of each window of [B, C, D, H, W]: (Σ xᵖ)^(1/p). */
export const lpPool3d = lpPool(3, torch.avgPool3d);

/**
 * Returns a pooling by the p-norm, computed from the mean of powers; the root of a negative sum, possible for odd powers,
 * is NaN as in PyTorch.
 */
function lpPool(dims: number, avgPool: typeof torch.avgPool2d) {
  const pool = (input: Tensor, norm: number, kernelSize: Size, options: PowerPoolOptions = {}): Tensor => {
    const kernel = spread(kernelSize, dims, 'kernel size');
    const stride = spread(options.stride ?? kernelSize, dims, 'stride');
    const area = kernel.reduce((product, size) => product * size, 1);
    const means = avgPool(input.pow(norm), kernel, stride, spread(0, dims), options.ceilMode ?? false);
    return means
      .sign()
      .mul(means.abs().relu())
      .mul(area)
      .pow(1 / norm);
  };
  return Object.defineProperty(pool, 'name', { value: `lpPool${dims}d` });
}

/**
 * Divides each element of [B, C, …] by a power of the mean square over `size` neighbouring channels:
 * x / (k + alpha · mean)^beta (Krizhevsky et al., 2012).
 */
export function localResponseNorm(
  input: Tensor,
  size: number,
  { alpha = 1e-4, beta = 0.75, k = 1 }: { alpha?: number; beta?: number; k?: number } = {},
): Tensor {
  if (input.ndim < 3) {
    throw new torch.ShapeError(
      `localResponseNorm expects [B, C, …] of at least 3 dimensions, not [${input.shape.join(', ')}]`,
    );
  }
  const [batch, channels] = input.shape as [number, number];
  const squares = input.mul(input).reshape([batch, 1, channels, -1]);
  const padded = squares.pad([0, 0, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
  const means = torch.avgPool2d(padded, [size, 1], [1, 1]).reshape(input.shape);
  return input.div(means.mul(alpha).add(k).pow(beta));
}

/** Mixes the groups of channels of [B, C, …]: the first channel of each group, then the second of each, and so on. */
export function channelShuffle(input: Tensor, groups: number): Tensor {
  return torch.channelShuffle(input, groups);
}
