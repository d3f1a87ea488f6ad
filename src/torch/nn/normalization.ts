import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { expectSeveralInGroups } from './functional/norm-checks.js';
import * as init from './init.js';
import { emptyParameter } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { pythonBool, pythonFloat, tuple } from './sizes.js';

export interface GroupNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** True if channels are scaled and shifted. Default true. */
  affine?: boolean;
  /** False leaves out the shift. Default true. */
  bias?: boolean;
}

/**
 * Normalises groups of channels of [B, channels, ...] for each sample (Wu and He, arXiv 1803.08494).
 *
 * @example
 * ```ts
 * const y = new nn.GroupNorm(8, 64).forward(torch.randn([2, 64, 16, 16])); // [2, 64, 16, 16]
 * ```
 */
export class GroupNorm extends Module {
  /** Number of groups; divides the channels. */
  readonly numGroups: number;
  /** Size of the input's second dimension. */
  readonly numChannels: number;
  readonly eps: number;
  /** Factor of each channel: [numChannels]; null without `affine`. */
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    if (!(numGroups > 0) || numChannels % numGroups !== 0) {
      throw new torch.ArgumentError(
        `GroupNorm: ${numChannels} channels are not divisible into ${numGroups} groups`,
      );
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = options.eps ?? 1e-5;
    [this.weight, this.bias] = scaleAndShift([numChannels], options, options.affine);
  }

  override forward(input: Tensor): Tensor {
    expectSeveralInGroups('GroupNorm', input.shape, this.numGroups);
    return torch.groupNorm(input, this.numGroups, this.weight, this.bias, this.eps); // [B, C, ...]
  }

  protected override extraRepr(): string {
    const affine = pythonBool(this.weight !== null);
    const bias = pythonBool(this.bias !== null);
    return `${this.numGroups}, ${this.numChannels}, eps=${pythonFloat(this.eps)}, affine=${affine}, bias=${bias}`;
  }
}

export interface LayerNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** True if elements are scaled (and shifted). Default true. */
  elementwiseAffine?: boolean;
  /** False leaves out the shift. Default true. */
  bias?: boolean;
}

/**
 * Normalises over the last dimensions, of the given shape (Ba et al., arXiv 1607.06450).
 *
 * @example
 * ```ts
 * const y = new nn.LayerNorm(64).forward(torch.randn([2, 10, 64])); // [2, 10, 64]
 * ```
 */
export class LayerNorm extends Module {
  /** Sizes of the last dimensions, over which mean and variance are taken. */
  readonly normalizedShape: number[];
  readonly eps: number;
  /** Factors, of shape `normalizedShape`; null without `elementwiseAffine`. */
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    this.eps = options.eps ?? 1e-5;
    [this.weight, this.bias] = scaleAndShift(this.normalizedShape, options, options.elementwiseAffine);
  }

  override forward(input: Tensor): Tensor {
    return torch.layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps); // as the input
  }

  protected override extraRepr(): string {
    const shape = tuple(this.normalizedShape);
    const affine = pythonBool(this.weight !== null);
    const bias = pythonBool(this.bias !== null);
    return `${shape}, eps=${pythonFloat(this.eps)}, elementwise_affine=${affine}, bias=${bias}`;
  }
}

export interface RMSNormOptions extends FactoryOptions {
  /** Added to the mean square; null: the machine epsilon of the input's dtype. Default null. */
  eps?: number | null;
  /** True if elements are scaled. Default true. */
  elementwiseAffine?: boolean;
}

/**
 * Divides by the root mean square over the last dimensions, of the given shape (Zhang and Sennrich, arXiv 1910.07467).
 *
 * @example
 * ```ts
 * const y = new nn.RMSNorm(64).forward(torch.randn([2, 10, 64])); // [2, 10, 64]
 * ```
 */
export class RMSNorm extends Module {
  /** Sizes of the last dimensions, over which the mean square is taken. */
  readonly normalizedShape: number[];
  readonly eps: number | null;
  /** Factors, of shape `normalizedShape`; null without `elementwiseAffine`. */
  weight: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: RMSNormOptions = {}) {
    super();
    this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    this.eps = options.eps ?? null;
    const withoutBias = { ...options, bias: false };
    [this.weight] = scaleAndShift(this.normalizedShape, withoutBias, options.elementwiseAffine);
  }

  override forward(input: Tensor): Tensor {
    return torch.rmsNorm(input, this.normalizedShape, this.weight, this.eps); // as the input
  }

  protected override extraRepr(): string {
    const eps = this.eps === null ? 'None' : pythonFloat(this.eps);
    return `${tuple(this.normalizedShape)}, eps=${eps}, elementwise_affine=${pythonBool(this.weight !== null)}`;
  }
}

/** Makes parameters of ones and zeros, if the options ask for them. */
export function scaleAndShift(
  shape: readonly number[],
  options: FactoryOptions & { bias?: boolean },
  affine?: boolean,
): [Parameter | null, Parameter | null] {
  if (!(affine ?? true)) return [null, null];
  const weight = emptyParameter(shape, options);
  const bias = (options.bias ?? true) ? emptyParameter(shape, options) : null;
  init.ones_(weight);
  if (bias !== null) init.zeros_(bias);
  return [weight, bias];
}
