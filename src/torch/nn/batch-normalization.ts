import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { expectSeveralPositions, expectSeveralValues } from './functional/norm-checks.js';
import { factoryOptions } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import { scaleAndShift } from './normalization.js';
import type { Parameter } from './parameter.js';
import { pythonBool, pythonFloat } from './sizes.js';
import { syncedBatchNorm } from './synced-batch-norm.js';
import { worldSize } from '../distributed/index.js';

export interface BatchNormOptions extends FactoryOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Weight of the newest batch in the running statistics; null averages all batches equally. Default 0.1. */
  momentum?: number | null;
  /** True if channels are scaled and shifted. Default true; instance norms: false. */
  affine?: boolean;
  /** False leaves out the shift. Default true. */
  bias?: boolean;
  /**
   * Keep running statistics; without them the batch's statistics are used in evaluation too. Default true; instance
   * norms: false.
   */
  trackRunningStats?: boolean;
}

/** Base class of batch and instance norms, with the parameters and running statistics of channels. */
abstract class ChannelNorm extends Module {
  /** The default of `affine` and `trackRunningStats`. */
  protected static readonly byDefault: boolean;
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
    const { byDefault } = new.target;
    this.numFeatures = numFeatures;
    this.eps = options.eps ?? 1e-5;
    this.momentum = options.momentum === undefined ? 0.1 : options.momentum;
    this.trackRunningStats = options.trackRunningStats ?? byDefault;
    [this.weight, this.bias] = scaleAndShift([numFeatures], options, options.affine ?? byDefault);
    const place = factoryOptions(options);
    const track = this.trackRunningStats;
    this.registerBuffer('runningMean', track ? torch.zeros([numFeatures], place) : null);
    this.registerBuffer('runningVar', track ? torch.ones([numFeatures], place) : null);
    this.registerBuffer('numBatchesTracked', track ? torch.zeros([], { ...place, dtype: 'int64' }) : null);
  }

  /** The shapes of inputs. */
  protected abstract readonly shapes: readonly string[];

  /** Throws unless the input has as many dimensions as one of the shapes. */
  protected expect(input: Tensor): void {
    const { shapes } = this;
    if (shapes.some((shape) => shape.split(',').length === input.ndim)) return;
    const expected = shapes.map((shape) => `[${shape.replace('C', String(this.numFeatures))}]`);
    throw new torch.ShapeError(
      `${this.constructor.name} expects ${expected.join(' or ')}, not [${input.shape.join(', ')}]`,
    );
  }

  protected override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pythonFloat(this.momentum);
    const affine = pythonBool(this.weight !== null);
    const bias = pythonBool(this.bias !== null);
    const track = pythonBool(this.trackRunningStats);
    return `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${momentum}, affine=${affine}, bias=${bias}, track_running_stats=${track}`;
  }
}

abstract class BatchNorm extends ChannelNorm {
  protected static override readonly byDefault = true;
  #synced = false;

  /** Uses the statistics of the batches of all processes in training; see {@link convertSyncBatchnorm}. */
  synchronize(): void {
    this.#synced = true;
  }

  override forward(input: Tensor): Tensor {
    this.expect(input);
    const { weight, bias, runningMean, runningVar, eps } = this;
    const useBatch = this.training || runningMean === null;
    if (this.#synced && useBatch && worldSize() > 1) return this.#overAll(input);
    // Checked before the batch is counted: one value would permanently leave NaN in the running statistics.
    if (useBatch) expectSeveralValues(this.constructor.name, input.shape);
    const factor = this.training && this.trackRunningStats ? this.#countBatch() : (this.momentum ?? 0);
    return torch.batchNorm(input, weight, bias, runningMean, runningVar, useBatch, factor, eps, true); // as the input
  }

  #overAll(input: Tensor): Tensor {
    const { output, mean, variance, count } = syncedBatchNorm(input, this.weight, this.bias, this.eps);
    if (this.training && this.trackRunningStats) {
      const factor = this.#countBatch();
      torch.noGrad(() => {
        this.runningMean!.lerp_(mean.to(this.runningMean!), factor);
        // As in PyTorch, the running variance is the unbiased one.
        this.runningVar!.lerp_(variance.mul(count / Math.max(1, count - 1)).to(this.runningVar!), factor);
      });
    }
    return output;
  }

  /** Counts the batch and returns its weight in the running statistics. */
  #countBatch(): number {
    this.numBatchesTracked?.add_(1);
    return this.momentum ?? 1 / (this.numBatchesTracked?.item() as number);
  }
}

/**
 * Normalises channels of [B, channels] or [B, channels, L] over the batch (Ioffe and Szegedy, arXiv 1502.03167).
 *
 * @example
 * ```ts
 * const y = new nn.BatchNorm1d(64).forward(torch.randn([8, 64])); // [8, 64]
 * ```
 */
export class BatchNorm1d extends BatchNorm {
  protected override readonly shapes = ['B, C', 'B, C, L'];
}

/**
 * Normalises channels of [B, channels, H, W] over the batch (Ioffe and Szegedy, arXiv 1502.03167).
 *
 * @example
 * ```ts
 * const norm = new nn.BatchNorm2d(64);
 * const y = norm.forward(torch.randn([8, 64, 16, 16])); // [8, 64, 16, 16]
 * const z = norm.eval().forward(torch.randn([1, 64, 16, 16])); // [1, 64, 16, 16]
 * ```
 */
export class BatchNorm2d extends BatchNorm {
  protected override readonly shapes = ['B, C, H, W'];
}

/**
 * Normalises channels of [B, channels, D, H, W] over the batch (Ioffe and Szegedy, arXiv 1502.03167).
 *
 * @example
 * ```ts
 * const y = new nn.BatchNorm3d(8).forward(torch.randn([2, 8, 4, 6, 6])); // [2, 8, 4, 6, 6]
 * ```
 */
export class BatchNorm3d extends BatchNorm {
  protected override readonly shapes = ['B, C, D, H, W'];
}

/**
 * Makes every batch norm of a module use the statistics of the batches of all processes in training, as if they were one
 * batch; changes the module and returns it. Without a process group nothing changes. PyTorch's
 * `nn.SyncBatchNorm.convert_sync_batchnorm`, except that the layers stay the same objects.
 *
 * @example
 * ```ts
 * const model = nn.convertSyncBatchnorm(new nn.Sequential(new nn.Conv2d(3, 8, 3), new nn.BatchNorm2d(8)));
 * ```
 */
export function convertSyncBatchnorm<M extends Module>(module: M): M {
  for (const part of module.modules()) if (part instanceof BatchNorm) part.synchronize();
  return module;
}

abstract class InstanceNorm extends ChannelNorm {
  protected static override readonly byDefault = false;

  override forward(input: Tensor): Tensor {
    this.expect(input);
    const batched = input.ndim === this.shapes[0]!.split(',').length;
    const { weight, bias, runningMean, runningVar, eps } = this;
    const own = this.training || !this.trackRunningStats;
    const x = batched ? input : input.unsqueeze(0);
    if (own) expectSeveralPositions(this.constructor.name, x.shape);
    const momentum = this.momentum ?? 0;
    const y = torch.instanceNorm(x, weight, bias, runningMean, runningVar, own, momentum, eps, true);
    return batched ? y : y.squeeze(0); // as the input
  }
}

/**
 * Normalises channels of [B, channels, L] for each sample (Ulyanov et al., arXiv 1607.08022).
 *
 * @example
 * ```ts
 * const y = new nn.InstanceNorm1d(64).forward(torch.randn([2, 64, 16])); // [2, 64, 16]
 * ```
 */
export class InstanceNorm1d extends InstanceNorm {
  protected override readonly shapes = ['B, C, L', 'C, L'];
}

/**
 * Normalises channels of [B, channels, H, W] for each sample (Ulyanov et al., arXiv 1607.08022).
 *
 * @example
 * ```ts
 * const y = new nn.InstanceNorm2d(64, { affine: true }).forward(torch.randn([2, 64, 8, 8])); // [2, 64, 8, 8]
 * ```
 */
export class InstanceNorm2d extends InstanceNorm {
  protected override readonly shapes = ['B, C, H, W', 'C, H, W'];
}

/**
 * Normalises channels of [B, channels, D, H, W] for each sample (Ulyanov et al., arXiv 1607.08022).
 *
 * @example
 * ```ts
 * const y = new nn.InstanceNorm3d(8).forward(torch.randn([2, 8, 4, 6, 6])); // [2, 8, 4, 6, 6]
 * ```
 */
export class InstanceNorm3d extends InstanceNorm {
  protected override readonly shapes = ['B, C, D, H, W', 'C, D, H, W'];
}

export type { BatchNorm, ChannelNorm, InstanceNorm };
