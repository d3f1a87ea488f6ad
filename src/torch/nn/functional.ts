/** Functions on tensors that keep no state, under the names of torch.nn.functional in camelCase. */
import * as torch from '../index.js';
import type { Generator, Tensor } from '../index.js';
import { pair } from './convolution.js';
import type { Size2 } from './convolution.js';

export type Reduction = 'none' | 'mean' | 'sum';

function reductionCode(reduction: Reduction): number {
  const code = { none: 0, mean: 1, sum: 2 }[reduction];
  if (code === undefined)
    throw new torch.ArgumentError(`reduction must be none, mean or sum, not '${String(reduction)}'`);
  return code;
}

export interface ReductionOptions {
  /** Default `mean`. */
  reduction?: Reduction;
}

// Layers

/** x Wᵀ + b. */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.linear(input, weight, bias);
}

export interface ConvOptions {
  bias?: Tensor | null;
  stride?: Size2;
  padding?: Size2 | 'same' | 'valid';
  dilation?: Size2;
  groups?: number;
}

/** Convolution of [B, C, H, W] with [out, C / groups, h, w]. */
export function conv2d(input: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  const { bias = null, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const border = typeof padding === 'string' ? padding : pair(padding);
  return torch.conv2d(input, weight, bias, pair(stride), border as number[], pair(dilation), groups);
}

export interface ConvTransposeOptions {
  bias?: Tensor | null;
  stride?: Size2;
  padding?: Size2;
  outputPadding?: Size2;
  groups?: number;
  dilation?: Size2;
}

/** Transposed convolution of [B, C, H, W] with [C, out / groups, h, w]. */
export function convTranspose2d(input: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const { bias = null, stride = 1, padding = 0, outputPadding = 0, groups = 1, dilation = 1 } = options;
  return torch.convTranspose2d(
    input,
    weight,
    bias,
    pair(stride),
    pair(padding),
    pair(outputPadding),
    groups,
    pair(dilation),
  );
}

/** Rows of `weight` [n, d] by index: [..., d]. */
export function embedding(indices: Tensor, weight: Tensor): Tensor {
  return torch.embedding(weight, indices);
}

/** Zeroes elements with probability p while training, scaling the others by 1 / (1 − p). */
export function dropout(input: Tensor, p = 0.5, training = true): Tensor {
  return torch.dropout(input, p, training);
}

export function layerNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  {
    weight = null,
    bias = null,
    eps = 1e-5,
  }: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return torch.layerNorm(input, [...normalizedShape], weight, bias, eps);
}

export function groupNorm(
  input: Tensor,
  numGroups: number,
  {
    weight = null,
    bias = null,
    eps = 1e-5,
  }: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return torch.groupNorm(input, numGroups, weight, bias, eps);
}

export interface BatchNormFunctionOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Use the batch's statistics and update the running ones in place. Default false. */
  training?: boolean;
  /** Default 0.1. */
  momentum?: number;
  /** Default 1e-5. */
  eps?: number;
}

export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: BatchNormFunctionOptions = {},
): Tensor {
  const { weight = null, bias = null, training = false, momentum = 0.1, eps = 1e-5 } = options;
  return torch.batchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps, true);
}

// Activations

export function relu(input: Tensor): Tensor {
  return input.relu();
}

export function leakyRelu(input: Tensor, negativeSlope = 0.01): Tensor {
  return input.leakyRelu(negativeSlope);
}

/** x · sigmoid(x). */
export function silu(input: Tensor): Tensor {
  return input.silu();
}

export function gelu(
  input: Tensor,
  { approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {},
): Tensor {
  return approximate === 'none' ? input.gelu() : input.gelu({ approximate });
}

export function sigmoid(input: Tensor): Tensor {
  return input.sigmoid();
}

export function tanh(input: Tensor): Tensor {
  return input.tanh();
}

/** log(1 + eˣ), linear above the threshold. */
export function softplus(input: Tensor, beta = 1, threshold = 20): Tensor {
  return input.softplus(beta, threshold);
}

export function softmax(input: Tensor, dim: number): Tensor {
  return input.softmax(dim);
}

export function logSoftmax(input: Tensor, dim: number): Tensor {
  return input.logSoftmax(dim);
}

// Losses

export interface CrossEntropyOptions extends ReductionOptions {
  /** Weight of each class: [C]. */
  weight?: Tensor | null;
  /** Targets of this value count for nothing. Default −100. */
  ignoreIndex?: number;
  /** Share of the target's probability spread over all classes. Default 0. */
  labelSmoothing?: number;
}

/**
 * Cross-entropy of softmax(logits).
 *
 * @param logits [N, C] or [N, C, ...]
 * @param target class indices [N] or [N, ...], or probabilities of the logits' shape
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { weight = null, reduction = 'mean', ignoreIndex = -100, labelSmoothing = 0 } = options;
  return torch.crossEntropyLoss(
    logits,
    target,
    weight,
    reductionCode(reduction),
    ignoreIndex,
    labelSmoothing,
  );
}

/** (a − b)². */
export function mseLoss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean' }: ReductionOptions = {},
): Tensor {
  return torch.mseLoss(input, target, reductionCode(reduction));
}

/** |a − b|. */
export function l1Loss(input: Tensor, target: Tensor, { reduction = 'mean' }: ReductionOptions = {}): Tensor {
  return torch.l1Loss(input, target, reductionCode(reduction));
}

export interface BinaryCrossEntropyOptions extends ReductionOptions {
  weight?: Tensor | null;
  /** Weight of positive targets. */
  posWeight?: Tensor | null;
}

/** Cross-entropy of sigmoid(logits) against probabilities of the same shape. */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const { weight = null, posWeight = null, reduction = 'mean' } = options;
  return torch.binaryCrossEntropyWithLogits(logits, target, weight, posWeight, reductionCode(reduction));
}

// Shape

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** @param padding amounts before and after, from the last dimension on: [left, right, top, bottom, …] */
export function pad(
  input: Tensor,
  padding: readonly number[],
  { mode = 'constant', value = null }: { mode?: PadMode; value?: number | null } = {},
): Tensor {
  // The same operator without a string among its arguments, which is quicker to call.
  if (mode === 'constant') return torch.constantPadNd(input, [...padding], value ?? 0);
  return torch.pad(input, [...padding], mode, value);
}

export type InterpolateMode = 'nearest' | 'nearest-exact' | 'bilinear' | 'bicubic' | 'area';

export interface InterpolateOptions {
  /** Output height and width; give this or `scaleFactor`. */
  size?: Size2;
  scaleFactor?: Size2;
  /** Default `nearest`. */
  mode?: InterpolateMode;
  /** For `bilinear` and `bicubic`: whether corner pixels keep their values. Default false. */
  alignCorners?: boolean;
  /** For `bilinear` and `bicubic`: filter when making smaller. Default false. */
  antialias?: boolean;
}

/** Resizes [B, C, H, W]. */
export function interpolate(input: Tensor, options: InterpolateOptions): Tensor {
  const { mode = 'nearest', alignCorners = false, antialias = false } = options;
  const size = options.size === undefined ? null : pair(options.size);
  const scales = options.scaleFactor === undefined ? null : pair(options.scaleFactor);
  if ((size === null) === (scales === null)) {
    throw new torch.ArgumentError('interpolate needs either size or scaleFactor, not both or neither');
  }
  if (input.ndim !== 4)
    throw new torch.ShapeError(`interpolate expects [B, C, H, W], not [${input.shape.join(', ')}]`);
  switch (mode) {
    case 'nearest':
      return torch.callOperator('aten::upsample_nearest2d', 'vec', [input, size, scales]) as Tensor;
    case 'nearest-exact':
      return torch.callOperator('aten::_upsample_nearest_exact2d', 'vec', [input, size, scales]) as Tensor;
    case 'bilinear':
    case 'bicubic': {
      const name = antialias ? `aten::_upsample_${mode}2d_aa` : `aten::upsample_${mode}2d`;
      return torch.callOperator(name, 'vec', [input, size, alignCorners, scales]) as Tensor;
    }
    case 'area':
      return torch.adaptiveAvgPool2d(input, size ?? scaledSize(input, scales ?? [1, 1]));
    default:
      throw new torch.ArgumentError(`interpolate: unknown mode '${String(mode)}'`);
  }
}

function scaledSize(input: Tensor, [y, x]: readonly [number, number]): [number, number] {
  const [height = 0, width = 0] = input.shape.slice(-2);
  return [Math.floor(height * y), Math.floor(width * x)];
}

export interface PoolFunctionOptions {
  stride?: Size2;
  padding?: Size2;
  ceilMode?: boolean;
}

export function maxPool2d(input: Tensor, kernelSize: Size2, options: PoolFunctionOptions = {}): Tensor {
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  return torch.maxPool2d(input, pair(kernelSize), pair(stride), pair(padding), [1, 1], ceilMode);
}

export function avgPool2d(input: Tensor, kernelSize: Size2, options: PoolFunctionOptions = {}): Tensor {
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  return torch.avgPool2d(input, pair(kernelSize), pair(stride), pair(padding), ceilMode);
}

// Others

export interface AttentionOptions {
  /** Boolean (true: may attend) or added to the scores; broadcast to [..., L, S]. */
  attnMask?: Tensor | null;
  dropoutP?: number;
  /** Query i attends to keys 0 to i. */
  isCausal?: boolean;
  /** Default 1 / √(dimensions of the query). */
  scale?: number | null;
}

/** softmax(q kᵀ · scale + mask) v, for q [..., L, E], k [..., S, E], v [..., S, V]: [..., L, V]. */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const { attnMask = null, dropoutP = 0, isCausal = false, scale = null } = options;
  if (scale === null) return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal);
  return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal, { scale });
}

export interface GumbelSoftmaxOptions {
  /** Temperature. Default 1. */
  tau?: number;
  /** One-hot output with the gradient of the soft one. Default false. */
  hard?: boolean;
  /** Default −1. */
  dim?: number;
  generator?: Generator;
}

/** A differentiable sample of softmax(logits) (Jang et al., arXiv 1611.01144). */
export function gumbelSoftmax(logits: Tensor, options: GumbelSoftmaxOptions = {}): Tensor {
  const { tau = 1, hard = false, dim = -1, generator } = options;
  return torch.scope(() => {
    const noise = logits
      .emptyLike({ memoryFormat: 'contiguous_format' })
      .exponential_(1, { generator: generator ?? null })
      .log()
      .neg();
    const soft = logits.add(noise).div(tau).softmax(dim);
    if (!hard) return soft;
    const index = soft.argmax(dim, true);
    const oneHotLike = logits.zerosLike({ memoryFormat: 'contiguous_format' }).scatter_(dim, index, 1);
    return oneHotLike.sub(soft.detach()).add(soft);
  });
}

/** int64 [...] to int64 [..., classes], 1 at the index. */
export function oneHot(indices: Tensor, numClasses = -1): Tensor {
  return torch.oneHot(indices, numClasses);
}

/** x / max(‖x‖, eps) along `dim`. */
export function normalize(
  input: Tensor,
  { p = 2, dim = 1, eps = 1e-12 }: { p?: number; dim?: number; eps?: number } = {},
): Tensor {
  return torch.scope(() => input.div(torch.linalgVectorNorm(input, p, [dim], true).clampMin(eps)));
}
