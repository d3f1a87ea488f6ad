/** LeCam regularisation of a discriminator (Tseng et al. 2021, arXiv 2104.03310), as its authors' code computes it. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { atLeastFloat32 } from '../quantizers/latents.js';

/**
 * Keeps a discriminator's logits of images near the moving average of its logits of reconstructions, and the other way
 * round: mean relu(D(x) − α_F)² + mean relu(α_R − D(x̂))². The averages start at 0, move before the term is computed, and
 * are in the state dict, so that a resumed run continues them.
 *
 * @example
 * ```ts
 * const lecam = new LeCam(0.999);
 * const term = lecam.forward(torch.randn([4, 1, 6, 6]), torch.randn([4, 1, 6, 6])); // a scalar
 * ```
 */
export class LeCam extends nn.Module {
  /** Moving average of the mean logit of images, []. */
  declare readonly logitsRealEma: Tensor;
  /** Moving average of the mean logit of reconstructions, []. */
  declare readonly logitsFakeEma: Tensor;
  readonly #decay: number;
  #synced = false;

  /** @param decay share of the averages that an update keeps */
  constructor(decay = 0.999) {
    super();
    this.#decay = decay;
    this.registerBuffer('logitsRealEma', torch.zeros([]));
    this.registerBuffer('logitsFakeEma', torch.zeros([]));
  }

  /** Moves the averages by the logits of all processes, which then keep the same averages. */
  synchronize(): void {
    this.#synced = true;
  }

  /**
   * Moves the averages, and returns the term, a scalar.
   *
   * @param logitsReal logits of images, of any shape
   * @param logitsFake logits of reconstructions
   * @param share share of these logits in those of the step, by which the averages then move less
   */
  override forward(logitsReal: Tensor, logitsFake: Tensor, share = 1): Tensor {
    const rate = (1 - this.#decay) * share;
    torch.noGrad(() => {
      const means = [logitsReal, logitsFake].map((logits) => logits.mean().to(this.logitsRealEma.dtype));
      if (this.#synced && torch.distributed.worldSize() > 1)
        torch.distributed.allReduceCoalesced(means, { op: 'avg' });
      this.logitsRealEma.lerp_(means[0]!, rate);
      this.logitsFakeEma.lerp_(means[1]!, rate);
    });
    // Copies: the averages move again, maybe before this term's backward.
    const [real, fake] = [this.logitsRealEma, this.logitsFakeEma].map((ema) => atLeastFloat32(ema).clone());
    const above = F.relu(logitsReal.sub(fake!)).square().mean();
    return above.add(F.relu(logitsFake.neg().add(real!)).square().mean());
  }
}
