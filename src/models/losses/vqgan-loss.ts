/** The training objective of VQGAN (arXiv 2012.09841, equations 5 to 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import {
  count,
  flag,
  natural,
  notNegative,
  number,
  oneOf,
  positive,
  probability,
  type Given,
  type Settings,
} from '../../config/schema.js';
import { AdaptiveWeight } from './adaptive-weight.js';
import { NLayerDiscriminator } from './discriminator.js';
import { LeCam } from './lecam.js';
import { atLeastFloat32 } from '../quantizers/latents.js';
import { LPIPS } from './lpips.js';

const schema = {
  /** First step (in batches) at which the discriminator is used and trained. */
  discStart: number(),
  /**
   * Number of steps before `discStart` in which the discriminator already learns, while the generator does not feel it:
   * it then does not begin with the gradients of an untrained discriminator. Default 0.
   */
  discWarmup: natural(0),
  /** Weight of the codebook loss. Default 1. */
  codebookWeight: number(1),
  /** Weight of the absolute pixel difference. Default 1; the reference has this option but ignores it. */
  pixellossWeight: number(1),
  /** Number of strided layers of the discriminator. Default 3. */
  discNumLayers: count(3),
  /** Input channels of the discriminator: the image's, plus the condition's if `discConditional`. Default 3. */
  discInChannels: count(3),
  /** Factor applied to both adversarial losses from `discStart` on. Default 1. */
  discFactor: number(1),
  /** Factor applied to the adaptive weight; without that, the weight itself. Default 1. */
  discWeight: number(1),
  /** If false, the adversarial loss has the fixed weight `discWeight`, as in LlamaGen. Default true. */
  discAdaptiveWeight: flag(true),
  /** Largest adaptive weight, before `discWeight`. Default 1e4. */
  maxAdaptiveWeight: positive(1e4),
  /**
   * Share that a moving average of the adaptive weight keeps at each step, such as 0.99; the average then weighs the
   * adversarial loss. It starts with the first weight from `discStart` on. Default 0: each step has its own weight.
   */
  adaptiveWeightSmoothing: probability(0),
  /** Weight of LeCam regularisation in the discriminator's loss; see `LeCam`. Default 0: none. */
  lecamLossWeight: notNegative(0),
  /** Share that LeCam's moving averages of the logits keep at each step. Default 0.999. */
  lecamDecay: probability(0.999),
  /** Weight of LPIPS. Default 1; 0 disables it. */
  perceptualWeight: number(1),
  /** If true, the discriminator uses ActNorm instead of batch norm. Default false. */
  useActnorm: flag(false),
  /** If true, the discriminator receives the condition as well as the image. Default false. */
  discConditional: flag(false),
  /** Width of the discriminator. Default 64. */
  discNdf: count(64),
  /** Type of discriminator loss. Default 'hinge'. */
  discLoss: oneOf('hinge', 'vanilla')('hinge'),
  /** If true, LPIPS applies dropout in training mode (see LPIPS). Default false. */
  lpipsDropout: flag(false),
};

export type VQLPIPSWithDiscriminatorConfig = Given<typeof schema>;

/** Loss between reconstruction and original. Both fields are scalars. */
export interface ReconstructionLoss {
  /** Weighted sum of the pixel and perceptual terms, averaged over all elements. */
  nll: Tensor;
  /** LPIPS alone, averaged and unweighted; 0 if the term is disabled. */
  perceptual: Tensor;
}

/**
 * Returns ½ (mean relu(1 − real) + mean relu(1 + fake)).
 *
 * @example
 * ```ts
 * hingeDiscriminatorLoss(torch.tensor([2]), torch.tensor([-0.5])); // 0.25
 * ```
 */
export function hingeDiscriminatorLoss(real: Tensor, fake: Tensor): Tensor {
  return F.relu(real.neg().add(1))
    .mean()
    .add(F.relu(fake.add(1)).mean())
    .mul(0.5);
}

/**
 * Returns ½ (mean softplus(−real) + mean softplus(fake)).
 *
 * @example
 * ```ts
 * vanillaDiscriminatorLoss(torch.zeros([4]), torch.zeros([4])); // 0.693…, ln 2
 * ```
 */
export function vanillaDiscriminatorLoss(real: Tensor, fake: Tensor): Tensor {
  return F.softplus(real.neg()).mean().add(F.softplus(fake).mean()).mul(0.5);
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
export class VQLPIPSWithDiscriminator extends nn.Module {
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
  readonly discriminator: NLayerDiscriminator;
  /** Configuration, with defaults filled in. */
  readonly config: Readonly<Settings<typeof schema>>;
  readonly discStart: number;
  readonly codebookWeight: number;
  readonly discConditional: boolean;
  /** LeCam regularisation; null if its weight is 0. */
  readonly lecam: LeCam | null;
  /** Balances the two losses at the decoder's last layer. */
  readonly adversarialWeight: AdaptiveWeight;
  #saidAbsent = false;

  constructor(config: VQLPIPSWithDiscriminatorConfig) {
    super();
    const settings = readConfig(schema, config, 'VQLPIPSWithDiscriminator');
    this.config = settings;
    this.discStart = settings.discStart;
    this.codebookWeight = settings.codebookWeight;
    this.discConditional = settings.discConditional;
    this.perceptualLoss = new LPIPS({ useDropout: settings.lpipsDropout }).eval();
    this.discriminator = new NLayerDiscriminator({
      inChannels: settings.discInChannels,
      ndf: settings.discNdf,
      nLayers: settings.discNumLayers,
      useActnorm: settings.useActnorm,
    });
    this.lecam = settings.lecamLossWeight > 0 ? new LeCam(settings.lecamDecay) : null;
    this.adversarialWeight = new AdaptiveWeight(settings);
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

  /** Returns the discriminator's logits for images, which are concatenated with `cond` if it is conditional. */
  logits(images: Tensor, cond?: Tensor | null): Tensor {
    if (this.discConditional !== Boolean(cond)) {
      throw new TypeError(
        this.discConditional
          ? 'this loss was created with discConditional: pass the condition [B, C, H, W] with the images'
          : 'a condition was passed, but this loss was created without discConditional: leave the condition out',
      );
    }
    return atLeastFloat32(this.discriminator.forward(cond ? torch.cat([images, cond], 1) : images));
  }

  /** Returns the adversarial loss of the generator: minus the mean of the logits of reconstructions. */
  generatorLoss(logitsFake: Tensor): Tensor {
    return logitsFake.mean().neg();
  }

  /** Returns the hinge or vanilla loss of the discriminator, not multiplied by its factor. */
  discriminatorLoss(logitsReal: Tensor, logitsFake: Tensor): Tensor {
    const loss = this.config.discLoss === 'hinge' ? hingeDiscriminatorLoss : vanillaDiscriminatorLoss;
    return loss(logitsReal, logitsFake);
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
