/** The training objective of VQGAN (arXiv 2012.09841, equations 5 to 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import type { Settings } from '../../config/schema.js';
import type { Discriminator } from '../discriminators/discriminator.js';
import type { NLayerDiscriminator } from '../discriminators/n-layer.js';
import { atLeastFloat32 } from '../quantizers/latents.js';
import { AdaptiveWeight } from './adaptive-weight.js';
import { adversarialLosses } from './adversarial-losses.js';
import { diffAugment, type DiffAugmentDraws } from './diff-augment.js';
import { LeCam } from './lecam.js';
import { LPIPS } from './lpips.js';
import { R1Penalty } from './r1.js';
import { discriminatorOf, schema, type VQLPIPSWithDiscriminatorConfig } from './vqgan-loss-settings.js';

export type { VQLPIPSWithDiscriminatorConfig } from './vqgan-loss-settings.js';

/** Loss between reconstruction and original. Both fields are scalars. */
export interface ReconstructionLoss {
  /** Weighted sum of the pixel and perceptual terms, averaged over all elements. */
  nll: Tensor;
  /** LPIPS alone, averaged and unweighted; 0 if the term is disabled. */
  perceptual: Tensor;
}

/**
 * Pixel, perceptual, codebook and adversarial losses, with the discriminator and LPIPS they need. It does not have
 * a `forward`; the training steps combine its terms.
 *
 * @example
 * ```ts
 * const loss = new VQLPIPSWithDiscriminator({ discStart: 10_000, discWeight: 0.8 });
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, lossconfig: loss });
 * const optimizers = {
 *   generator: new optim.Adam(model.generatorParameters(), { lr: 4.5e-6, betas: [0.5, 0.9] }),
 *   discriminator: new optim.Adam(loss.discriminator.parameters(), { lr: 4.5e-6, betas: [0.5, 0.9] }),
 * };
 * onePassStep(model, optimizers, torch.zeros([1, 3, 64, 64]), { globalStep: 0 });
 * ```
 */
export class VQLPIPSWithDiscriminator<D extends Discriminator = NLayerDiscriminator> extends nn.Module {
  protected static override readonly scoped: readonly string[] = [
    'reconstructionLoss',
    'logits',
    'generatorLoss',
    'discriminatorLoss',
    'lecamLoss',
    'adaptiveWeight',
  ];
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Perceptual distance on VGG features. */
  readonly perceptualLoss: LPIPS;
  /** Distinguishes images from reconstructions. */
  readonly discriminator: D;
  /** Configuration, with defaults filled in, without the discriminator. */
  readonly config: Readonly<Omit<Settings<typeof schema>, 'discriminator'>>;
  readonly discStart: number;
  readonly codebookWeight: number;
  readonly discConditional: boolean;
  /** LeCam regularisation; null if its weight is 0. */
  readonly lecam: LeCam | null;
  /** R1 of the discriminator; null if its weight is 0. */
  readonly r1: R1Penalty | null;
  /** Balances the two losses at the decoder's last layer. */
  readonly adversarialWeight: AdaptiveWeight;
  #saidAbsent = false;

  /**
   * @throws TypeError for settings of the patch discriminator next to another one
   * @throws RangeError for settings that cannot go together
   */
  constructor(config: VQLPIPSWithDiscriminatorConfig<D>) {
    super();
    const { discriminator, ...settings } = readConfig(schema, config, 'VQLPIPSWithDiscriminator');
    this.config = settings;
    this.discStart = settings.discStart;
    this.codebookWeight = settings.codebookWeight;
    this.discConditional = settings.discConditional;
    this.perceptualLoss = new LPIPS({ useDropout: settings.lpipsDropout }).eval();
    // The type of the configuration says which one it is.
    this.discriminator = discriminatorOf(settings, discriminator) as D;
    this.lecam = settings.lecamLossWeight > 0 ? new LeCam(settings.lecamDecay) : null;
    this.r1 = settings.r1Weight > 0 ? new R1Penalty(settings.r1Weight, settings.r1Every) : null;
    this.adversarialWeight = new AdaptiveWeight(settings);
    if (settings.diffAugment && settings.discConditional) {
      throw new RangeError(
        'VQLPIPSWithDiscriminator: diffAugment moves images, but not the conditions that discConditional shows with ' +
          'them: leave out one of the two',
      );
    }
    if (settings.discWarmup > Math.max(0, settings.discStart)) {
      throw new RangeError(
        `VQLPIPSWithDiscriminator: discWarmup is ${settings.discWarmup}, but only ${settings.discStart} steps precede ` +
          'discStart: start the discriminator later, or warm it up for fewer steps',
      );
    }
  }

  /** True if the perceptual term is used: its weight is not 0 and the weights of LPIPS are loaded. */
  get perceptualActive(): boolean {
    return this.config.perceptualWeight > 0 && this.perceptualLoss.loaded;
  }

  /** Returns 0 before `discStart`, then `discFactor`. `globalStep` counts batches from 0. */
  discFactorAt(globalStep: number): number {
    return globalStep < this.config.discStart ? 0 : this.config.discFactor;
  }

  /** Returns the factor of the discriminator's own loss: that of `discFactorAt`, but `discWarmup` steps earlier. */
  learningFactorAt(globalStep: number): number {
    return this.discFactorAt(globalStep + this.config.discWarmup);
  }

  /** Computes the mean of pixellossWeight · |x − x̂| + perceptualWeight · LPIPS(x, x̂), for x and x̂ [B, C, H, W]. */
  reconstructionLoss(inputs: Tensor, reconstructions: Tensor): ReconstructionLoss {
    this.#sayIfAbsent();
    const x = atLeastFloat32(inputs);
    const pixels = x.sub(atLeastFloat32(reconstructions)).abs().mean();
    const { pixellossWeight, perceptualWeight } = this.config;
    const weighted = pixellossWeight === 1 ? pixels : pixels.mul(pixellossWeight);
    if (!this.perceptualActive) return { nll: weighted, perceptual: torch.zerosLike(pixels.detach()) };
    const perceptual = atLeastFloat32(this.perceptualLoss.forward(inputs, reconstructions)).mean();
    return { nll: weighted.add(perceptual.mul(perceptualWeight)), perceptual: perceptual.detach() };
  }

  /**
   * Returns the discriminator's logits for images, which are concatenated with `cond` if it is conditional.
   *
   * @param draws random numbers of `diffAugment`, if the loss has it; by default they are drawn
   */
  logits(images: Tensor, cond?: Tensor | null, draws?: DiffAugmentDraws | null): Tensor {
    if (this.discConditional !== Boolean(cond)) {
      throw new TypeError(
        this.discConditional
          ? 'this loss was created with discConditional: pass the condition [B, C, H, W] with the images'
          : 'a condition was passed, but this loss was created without discConditional: leave the condition out',
      );
    }
    const { diffAugment: policy } = this.config;
    const seen = policy ? diffAugment(images, policy, { ...(draws && { draws }) }) : images;
    return atLeastFloat32(this.discriminator.forward(cond ? torch.cat([seen, cond], 1) : seen));
  }

  /** Returns the adversarial loss of the generator, from the logits of reconstructions; see `discLoss`. */
  generatorLoss(logitsFake: Tensor): Tensor {
    return adversarialLosses[this.config.discLoss].ofGenerator(logitsFake);
  }

  /** Returns the loss of the discriminator that `discLoss` names, not multiplied by its factor. */
  discriminatorLoss(logitsReal: Tensor, logitsFake: Tensor): Tensor {
    return adversarialLosses[this.config.discLoss].ofDiscriminator(logitsReal, logitsFake);
  }

  /**
   * Returns LeCam's term of the discriminator's loss, unweighted, and moves its averages; 0 if its weight is 0.
   *
   * @param share share of these logits in those of the step
   */
  lecamLoss(logitsReal: Tensor, logitsFake: Tensor, share = 1): Tensor {
    const { dtype, device } = logitsFake;
    return this.lecam?.forward(logitsReal, logitsFake, share) ?? torch.zeros([], { dtype, device });
  }

  /**
   * Returns λ = ‖∂nll/∂L‖ / (‖∂g/∂L‖ + δ), clamped to [0, `maxAdaptiveWeight`], times `discWeight`. It balances the two
   * losses at the decoder's last layer L (equation 7). δ is 1e-4 as in the reference's code (the paper says 1e-6).
   */
  adaptiveWeight(nllGradient: Tensor, generatorGradient: Tensor): Tensor {
    return this.adversarialWeight.ofStep(nllGradient, generatorGradient);
  }

  #sayIfAbsent(): void {
    if (this.#saidAbsent || this.config.perceptualWeight <= 0 || this.perceptualLoss.loaded) return;
    this.#saidAbsent = true;
    process.emitWarning(
      'LPIPS has no weights, so training runs without the perceptual term. VQLPIPSWithDiscriminator loads them with ' +
        'loadStateDict (keys perceptual_loss.*, as in any VQGAN training checkpoint); perceptualWeight: 0 silences this warning.',
      'TesseraWarning',
    );
  }
}
