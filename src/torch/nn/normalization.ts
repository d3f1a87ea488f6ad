import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as init from './init.js';
import { emptyParameter, factoryOptions, pythonBool } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

export interface GroupNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether channels are scaled and shifted. Default true. */
  affine?: boolean;
}

/** Normalises groups of channels of [B, channels, ...] for each sample (Wu and He, arXiv 1803.08494). */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
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
    [this.weight, this.bias] = scaleAndShift([numChannels], options.affine ?? true, true, options);
  }

  override forward(input: Tensor): Tensor {
    return torch.groupNorm(input, this.numGroups, this.weight, this.bias, this.eps); // [B, C, ...]
  }

  protected override extraRepr(): string {
    const affine = pythonBool(this.weight !== null);
    return `${this.numGroups}, ${this.numChannels}, eps=${pythonFloat(this.eps)}, affine=${affine}`;
  }
}

export interface LayerNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether elements are scaled (and shifted). Default true. */
  elementwiseAffine?: boolean;
  /** False leaves out the shift. Default true. */
  bias?: boolean;
}

/** Normalises over the last dimensions, of the given shape (Ba et al., arXiv 1607.06450). */
export class LayerNorm extends Module {
  readonly normalizedShape: number[];
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    this.eps = options.eps ?? 1e-5;
    const affine = options.elementwiseAffine ?? true;
    [this.weight, this.bias] = scaleAndShift(this.normalizedShape, affine, options.bias ?? true, options);
  }

  override forward(input: Tensor): Tensor {
    return torch.layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps); // as the input
  }

  protected override extraRepr(): string {
    const shape = `(${this.normalizedShape.join(', ')}${this.normalizedShape.length === 1 ? ',' : ''})`;
    return `${shape}, eps=${pythonFloat(this.eps)}, elementwise_affine=${pythonBool(this.weight !== null)}`;
  }
}

export interface BatchNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Weight of the newest batch in the running statistics; null averages all batches equally. Default 0.1. */
  momentum?: number | null;
  /** Whether channels are scaled and shifted. Default true. */
  affine?: boolean;
  /** Without running statistics the batch's own are used in evaluation too. Default true. */
  trackRunningStats?: boolean;
}

/** Normalises channels of [B, channels, H, W] over the batch (Ioffe and Szegedy, arXiv 1502.03167). */
export class BatchNorm2d extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly trackRunningStats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  declare runningMean: Tensor | null;
  declare runningVar: Tensor | null;
  /** Number of training batches seen: int64, shape []. */
  declare numBatchesTracked: Tensor | null;

  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super();
    this.numFeatures = numFeatures;
    this.eps = options.eps ?? 1e-5;
    this.momentum = options.momentum === undefined ? 0.1 : options.momentum;
    this.trackRunningStats = options.trackRunningStats ?? true;
    [this.weight, this.bias] = scaleAndShift([numFeatures], options.affine ?? true, true, options);
    const place = factoryOptions(options);
    const track = this.trackRunningStats;
    this.registerBuffer('runningMean', track ? torch.zeros([numFeatures], place) : null);
    this.registerBuffer('runningVar', track ? torch.ones([numFeatures], place) : null);
    this.registerBuffer('numBatchesTracked', track ? torch.zeros([], { ...place, dtype: 'int64' }) : null);
  }

  override forward(input: Tensor): Tensor {
    if (input.ndim !== 4) {
      throw new torch.ShapeError(
        `BatchNorm2d expects [B, ${this.numFeatures}, H, W], not [${input.shape.join(', ')}]`,
      );
    }
    const { weight, bias, runningMean, runningVar, eps } = this;
    const useBatch = this.training || runningMean === null;
    const factor = this.training && this.trackRunningStats ? this.#countBatch() : (this.momentum ?? 0);
    return torch.batchNorm(input, weight, bias, runningMean, runningVar, useBatch, factor, eps, true); // [B, C, H, W]
  }

  /** Counts the batch and gives its weight in the running statistics. */
  #countBatch(): number {
    this.numBatchesTracked?.add_(1);
    return this.momentum ?? 1 / (this.numBatchesTracked?.item() as number);
  }

  protected override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pythonFloat(this.momentum);
    const affine = pythonBool(this.weight !== null);
    const track = pythonBool(this.trackRunningStats);
    return `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${momentum}, affine=${affine}, track_running_stats=${track}`;
  }
}

function scaleAndShift(
  shape: readonly number[],
  affine: boolean,
  withBias: boolean,
  options: FactoryOptions,
): [Parameter | null, Parameter | null] {
  if (!affine) return [null, null];
  const weight = emptyParameter(shape, options);
  const bias = withBias ? emptyParameter(shape, options) : null;
  init.ones_(weight);
  if (bias !== null) init.zeros_(bias);
  return [weight, bias];
}

/** As Python prints a float: two digits of exponent from 1e-5 down. */
function pythonFloat(x: number): string {
  return String(x)
    .replace(/e-(\d)$/, 'e-0$1')
    .replace(/^(0\.0000)(\d+)$/, () => x.toExponential().replace(/e-(\d)$/, 'e-0$1'));
}
