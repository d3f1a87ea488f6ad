/** The weight of the adversarial loss in the generator's (arXiv 2012.09841, equation 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { atLeastFloat32 } from '../quantizers/latents.js';

/** Settings of the weight; see `VQLPIPSWithDiscriminator`. */
export interface AdversarialWeightSettings {
  discWeight: number;
  discAdaptiveWeight: boolean;
  maxAdaptiveWeight: number;
  adaptiveWeightSmoothing: number;
}

/** Added to the norm of the adversarial gradient, as in the reference's code. */
const delta = 1e-4;

/** Gradients of the two losses with respect to the decoder's last layer. */
export interface LastLayerGradients {
  nll: Tensor;
  generator: Tensor;
}

/**
 * The weight of the adversarial loss: fixed, adaptive, or a moving average of the adaptive one.
 *
 * @example
 * ```ts
 * const { adversarialWeight } = new VQLPIPSWithDiscriminator({ discStart: 0, adaptiveWeightSmoothing: 0.99 });
 * const gradients = { nll: torch.tensor([3, 0]), generator: torch.tensor([0, 4]) };
 * const weight = adversarialWeight.next(1, torch.zeros([]), () => gradients); // a scalar
 * ```
 */
export class AdaptiveWeight extends nn.Module {
  protected static override readonly scoped: readonly string[] = ['ofStep', 'next'];
  /** Weighted sum of the weights so far, and the sum of their shares, [2]; only with smoothing. */
  declare readonly average: Tensor | null;
  readonly #settings: AdversarialWeightSettings;

  constructor(settings: AdversarialWeightSettings) {
    super();
    this.#settings = settings;
    if (this.#smooth) this.registerBuffer('average', torch.zeros([2]));
  }

  /** True if the weight depends on the gradients. */
  get adaptive(): boolean {
    return this.#settings.discAdaptiveWeight;
  }

  get #smooth(): boolean {
    return this.adaptive && this.#settings.adaptiveWeightSmoothing > 0;
  }

  /** Returns the adaptive weight of one step, times `discWeight`. */
  ofStep(nll: Tensor, generator: Tensor): Tensor {
    const { maxAdaptiveWeight, discWeight } = this.#settings;
    const norm = (gradient: Tensor) => torch.linalgVectorNorm(atLeastFloat32(gradient));
    return torch.noGrad(() =>
      norm(nll).div(norm(generator).add(delta)).clamp(0, maxAdaptiveWeight).mul(discWeight),
    );
  }

  /**
   * Returns the weight of a step, and moves the average by it, if there is one. Calls `gradients` only if they matter.
   *
   * @param discFactor factor of the adversarial loss at this step; at 0 the average does not move
   * @param loss one of the losses, whose dtype and device a fixed weight has
   */
  next(discFactor: number, loss: Tensor, gradients: () => LastLayerGradients): Tensor {
    const { discWeight, adaptiveWeightSmoothing } = this.#settings;
    if (!this.adaptive) return torch.fullLike(loss.detach(), discWeight);
    const { nll, generator } = gradients();
    const weight = this.ofStep(nll, generator);
    const { average } = this;
    if (!average || discFactor === 0) return weight;
    return torch.noGrad(() => {
      const share = 1 - adaptiveWeightSmoothing;
      const moved = average.lerp(torch.stack([weight, torch.onesLike(weight)]).to(average.dtype), share);
      // A weight that is not a number belongs to a step that is left out, or ends the run: it must not stay.
      average.copy_(torch.where(weight.isfinite(), moved, average));
      // Divided by the shares, as Adam corrects its moments: the sum starts at 0, the average with the first weight.
      const [sum, shares] = moved.unbind();
      return sum!.div(shares!).to(weight.dtype);
    });
  }
}
