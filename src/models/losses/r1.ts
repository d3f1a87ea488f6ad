/** The gradient penalty R1 of a discriminator (Mescheder et al. 2018, arXiv 1801.04406). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { atLeastFloat32 } from '../quantizers/latents.js';

/** What is penalised: a discriminator, or a function that returns logits. */
export type Judge = Pick<nn.Module, 'forward'> | ((images: Tensor) => Tensor);

/**
 * Returns the mean over images of ‖∂(sum of an image's logits) / ∂ image‖², a scalar whose gradient reaches the
 * discriminator's parameters. The training loss is this times γ / 2.
 *
 * @param images real ones, [B, C, H, W]
 *
 * @example
 * ```ts
 * const discriminator = new NLayerDiscriminator({ ndf: 8, nLayers: 1 });
 * const penalty = r1(discriminator, torch.rand([2, 3, 16, 16])); // a scalar
 * penalty.mul(10 / 2).backward();
 * ```
 */
export function r1(discriminator: Judge, images: Tensor): Tensor {
  return torch.enableGrad(() => {
    const given = images.detach().requiresGrad_();
    const logits = typeof discriminator === 'function' ? discriminator(given) : discriminator.forward(given);
    return r1OfLogits(logits as Tensor, given);
  });
}

/**
 * Returns the same from logits that were computed from images with `requiresGrad`.
 *
 * @param scale factor of the logits while the gradient is computed, so that it does not underflow in float16
 */
export function r1OfLogits(logits: Tensor, images: Tensor, scale: Tensor | null = null): Tensor {
  const sum = scale ? logits.sum().mul(scale) : logits.sum();
  const [scaled] = torch.grad([sum], [images], { createGraph: true });
  const gradient = atLeastFloat32(scaled!);
  return (scale ? gradient.div(scale) : gradient).square().flatten(1).sum([1]).mean();
}

/**
 * R1 at every N-th step, with N times the weight ("lazy regularisation", arXiv 1912.04958).
 *
 * @example
 * ```ts
 * const penalty = new R1Penalty(10, 16);
 * const discriminator = new NLayerDiscriminator({ ndf: 8, nLayers: 1 });
 * const images = torch.rand([2, 3, 16, 16]).requiresGrad_();
 * const term = penalty.dueAt(32) ? penalty.forward(discriminator.forward(images), images) : null; // a scalar
 * ```
 */
export class R1Penalty extends nn.Module {
  /**
   * Penalty when it was last computed and finite, unweighted, []; of a batch in parts, that of its last part. Where float16
   * overflows, the penalty is not finite and the step is left out.
   */
  declare readonly last: Tensor;
  readonly #weight: number;
  readonly #every: number;
  #synced = false;

  /**
   * @param gamma weight γ: the loss is γ / 2 times the penalty, on average over the steps
   * @param every number of steps N from one penalty to the next
   */
  constructor(gamma: number, every = 16) {
    super();
    this.#weight = (gamma / 2) * every;
    this.#every = every;
    this.registerBuffer('last', torch.zeros([]));
  }

  /** Logs the mean of all processes. */
  synchronize(): void {
    this.#synced = true;
  }

  /** True if a step, counted from 0, has the penalty. */
  dueAt(globalStep: number): boolean {
    return globalStep % this.#every === 0;
  }

  /**
   * Returns the weighted term, a scalar, and remembers the penalty.
   *
   * @param logits logits of images, of any shape
   * @param images images with `requiresGrad`, from which they were computed, [B, C, H, W]
   * @param scale factor of the logits in between, see `r1OfLogits`
   */
  override forward(logits: Tensor, images: Tensor, scale: Tensor | null = null): Tensor {
    const penalty = r1OfLogits(logits, images, scale);
    torch.noGrad(() => {
      const value = penalty.detach().to(this.last.dtype);
      const { worldSize, allReduceCoalesced } = torch.distributed;
      if (this.#synced && worldSize() > 1) allReduceCoalesced([value], { op: 'avg' });
      this.last.copy_(torch.where(value.isfinite(), value, this.last));
    });
    return penalty.mul(this.#weight);
  }
}
