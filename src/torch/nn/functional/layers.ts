import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import { spread } from '../sizes.js';
import type { Size, Size1, Size2, Size3 } from '../sizes.js';
import { expectSeveralInGroups, expectSeveralPositions, expectSeveralValues } from './norm-checks.js';

/**
 * Applies a linear map to the last dimension: x Wᵀ + b, for W of [out, in] and b of [out].
 *
 * @example
 * ```ts
 * const y = F.linear(torch.randn([4, 8]), torch.randn([2, 8]), torch.zeros([2])); // [4, 2]
 * ```
 */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.linear(input, weight, bias);
}

export interface ConvOptions<S extends Size = Size2> {
  bias?: Tensor | null;
  stride?: S;
  padding?: S | 'same' | 'valid';
  dilation?: S;
  groups?: number;
}

function convolution<S extends Size>(dims: number, operator: typeof torch.conv2d) {
  const conv = (input: Tensor, weight: Tensor, options: ConvOptions<S> = {}): Tensor => {
    const { bias = null, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    const border = typeof padding === 'string' ? (padding as unknown as number[]) : spread(padding, dims);
    return operator(input, weight, bias, spread(stride, dims), border, spread(dilation, dims), groups);
  };
  return Object.defineProperty(conv, 'name', { value: `conv${dims}d` });
}

/**
 * Computes the convolution of [B, C, L] with [out, C / groups, l].
 *
 * @example
 * ```ts
 * const y = F.conv1d(torch.randn([2, 16, 50]), torch.randn([32, 16, 3]), { stride: 2 }); // [2, 32, 24]
 * ```
 */
export const conv1d = convolution<Size1>(1, torch.conv1d);

/**
 * Computes the convolution of [B, C, H, W] with [out, C / groups, h, w].
 *
 * @example
 * ```ts
 * const y = F.conv2d(torch.randn([2, 3, 32, 32]), torch.randn([16, 3, 3, 3]), { padding: 1 }); // [2, 16, 32, 32]
 * ```
 */
export const conv2d = convolution<Size2>(2, torch.conv2d);

/** Computes the convolution of [B, C, D, H, W] with [out, C / groups, d, h, w]. */
export const conv3d = convolution<Size3>(3, torch.conv3d);

export interface ConvTransposeOptions<S extends Size = Size2> {
  bias?: Tensor | null;
  stride?: S;
  padding?: S;
  outputPadding?: S;
  groups?: number;
  dilation?: S;
}

function transposedConvolution<S extends Size>(dims: number, operator: typeof torch.convTranspose2d) {
  const conv = (input: Tensor, weight: Tensor, options: ConvTransposeOptions<S> = {}): Tensor => {
    const { bias = null, stride = 1, padding = 0, outputPadding = 0, groups = 1, dilation = 1 } = options;
    const at = (size: Size) => spread(size, dims);
    return operator(input, weight, bias, at(stride), at(padding), at(outputPadding), groups, at(dilation));
  };
  return Object.defineProperty(conv, 'name', { value: `convTranspose${dims}d` });
}

/** Computes the transposed convolution of [B, C, L] with [C, out / groups, l]. */
export const convTranspose1d = transposedConvolution<Size1>(1, torch.convTranspose1d);

/**
 * Computes the transposed convolution of [B, C, H, W] with [C, out / groups, h, w].
 *
 * @example
 * ```ts
 * const weight = torch.randn([16, 3, 4, 4]);
 * const y = F.convTranspose2d(torch.randn([2, 16, 8, 8]), weight, { stride: 2, padding: 1 }); // [2, 3, 16, 16]
 * ```
 */
export const convTranspose2d = transposedConvolution<Size2>(2, torch.convTranspose2d);

/** Computes the transposed convolution of [B, C, D, H, W] with [C, out / groups, d, h, w]. */
export const convTranspose3d = transposedConvolution<Size3>(3, torch.convTranspose3d);

/**
 * Looks up rows of `weight` [n, d] by index: [..., d].
 *
 * @example
 * ```ts
 * const y = F.embedding(torch.tensor([[1n, 5n, 2n]]), torch.randn([1000, 64])); // [1, 3, 64]
 * ```
 */
export function embedding(indices: Tensor, weight: Tensor): Tensor {
  return torch.embedding(weight, indices);
}

/**
 * Zeroes elements with probability p in training, scaling the others by 1 / (1 − p).
 *
 * @example
 * ```ts
 * const y = F.dropout(torch.randn([4, 64]), 0.1); // [4, 64]
 * const same = F.dropout(torch.tensor([1, 2]), 0.1, false).tolist(); // [1, 2]
 * ```
 */
export function dropout(input: Tensor, p = 0.5, training = true): Tensor {
  return torch.dropout(input, p, training);
}

/** The scale, the shift and the number added to the variance of a normalisation. */
export interface NormFunctionOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Default 1e-5. */
  eps?: number;
}

/**
 * Normalises over the last dimensions, of sizes `normalizedShape`, to mean 0 and variance 1 (`eps` added to
 * the variance, default 1e-5), then scales and shifts by `weight` and `bias` of that shape.
 *
 * @example
 * ```ts
 * const [weight, bias] = [torch.ones([64]), torch.zeros([64])];
 * const y = F.layerNorm(torch.randn([2, 10, 64]), [64], { weight, bias }); // [2, 10, 64]
 * ```
 */
export function layerNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  { weight = null, bias = null, eps = 1e-5 }: NormFunctionOptions = {},
): Tensor {
  return torch.layerNorm(input, [...normalizedShape], weight, bias, eps);
}

/**
 * Normalises [B, C, …] over groups of channels, each with all positions of a sample, then scales and shifts
 * each channel by `weight` and `bias`, [C]. `eps`, added to the variance, is 1e-5 by default.
 * @throws TorchError if the groups do not divide the channels; ShapeError if a group would be a single value
 *
 * @example
 * ```ts
 * const y = F.groupNorm(torch.randn([2, 64, 16, 16]), 8); // [2, 64, 16, 16]
 * ```
 */
export function groupNorm(
  input: Tensor,
  numGroups: number,
  { weight = null, bias = null, eps = 1e-5 }: NormFunctionOptions = {},
): Tensor {
  expectSeveralInGroups('groupNorm', input.shape, numGroups);
  return torch.groupNorm(input, numGroups, weight, bias, eps);
}

export interface BatchNormFunctionOptions extends NormFunctionOptions {
  /** Use the batch's statistics and update the running ones in place. Default false. */
  training?: boolean;
  /** Default 0.1. */
  momentum?: number;
}

/**
 * Normalises each channel of [B, C, …]. In training it uses the statistics over batch and positions and moves
 * `runningMean` and `runningVar` ([C], changed in place) towards them; otherwise it uses those two.
 * @throws ShapeError in training, if a channel would be a single value
 *
 * @example
 * ```ts
 * const [mean, variance] = [torch.zeros([64]), torch.ones([64])];
 * const y = F.batchNorm(torch.randn([8, 64, 16, 16]), mean, variance, { training: true }); // [8, 64, 16, 16]
 * ```
 */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: BatchNormFunctionOptions = {},
): Tensor {
  const { weight = null, bias = null, training = false, momentum = 0.1, eps = 1e-5 } = options;
  if (training) expectSeveralValues('batchNorm', input.shape);
  return torch.batchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps, true);
}

/**
 * Normalises every channel of every sample over its positions.
 * @throws ShapeError if there is only one position
 */
export function instanceNorm(
  input: Tensor,
  { weight = null, bias = null, eps = 1e-5 }: NormFunctionOptions = {},
): Tensor {
  expectSeveralPositions('instanceNorm', input.shape);
  return torch.instanceNorm(input, weight, bias, null, null, true, 0, eps, true);
}

/**
 * Divides x by its root mean square over the last dimensions; `eps` defaults to the dtype's machine epsilon.
 *
 * @example
 * ```ts
 * const y = F.rmsNorm(torch.randn([2, 10, 64]), [64], { weight: torch.ones([64]) }); // [2, 10, 64]
 * ```
 */
export function rmsNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  { weight = null, eps = null }: { weight?: Tensor | null; eps?: number | null } = {},
): Tensor {
  return torch.rmsNorm(input, [...normalizedShape], weight, eps);
}

/** Returns x₁ᵀ W x₂ + b for each output; `weight` is [out, in1, in2]. */
export function bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.bilinear(input1, input2, weight, bias);
}
