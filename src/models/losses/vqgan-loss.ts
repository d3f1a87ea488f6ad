/** The training objective of VQGAN (arXiv 2012.09841, equations 5 to 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, number, oneOf, type Given, type Settings } from '../../config/schema.js';
import { NLayerDiscriminator } from './discriminator.js';
import { atLeastFloat32 } from '../quantizers/latents.js';
import { LPIPS } from './lpips.js';

const schema = {
  /** First step (counted in batches) at which the discriminator acts and learns. */
  discStart: number(),
  /** Weight of the codebook loss. Default 1. */
  codebookWeight: number(1),
  /** Weight of the absolute pixel difference. Default 1; the reference has the option and ignores it. */
  pixellossWeight: number(1),
  /** Strided layers of the discriminator. Default 3. */
  discNumLayers: count(3),
  /** Channels the discriminator sees: the image's, plus the condition's if `discConditional`. Default 3. */
  discInChannels: count(3),
  /** Factor on both adversarial losses from `discStart` on. Default 1. */
  discFactor: number(1),
  /** Factor on the adaptive weight. Default 1. */
  discWeight: number(1),
  /** Weight of LPIPS. Default 1; 0 leaves it out. */
  perceptualWeight: number(1),
  /** Normalise the discriminator by ActNorm instead of batch norm. Default false. */
  useActnorm: flag(false),
  /** Show the discriminator the condition beside the image. Default false. */
  discConditional: flag(false),
  /** Width of the discriminator. Default 64. */
  discNdf: count(64),
  /** Default 'hinge'. */
  discLoss: oneOf('hinge', 'vanilla')('hinge'),
  /** Dropout inside LPIPS while training (see LPIPS). Default false. */
  lpipsDropout: flag(false),
};

export type VQLPIPSWithDiscriminatorConfig = Given<typeof schema>;

/** Reconstruction against original. Both are scalars. */
export interface ReconstructionLoss {
  /** Pixel and perceptual part, weighted, averaged over all elements. */
  nll: Tensor;
  /** LPIPS alone, averaged and unweighted; 0 where the term is off. */
  perceptual: Tensor;
}

const adaptiveDelta = 1e-4;
const adaptiveMaximum = 1e4;

/** ½ (mean relu(1 − real) + mean relu(1 + fake)) */
export function hingeDiscriminatorLoss(real: Tensor, fake: Tensor): Tensor {
  return F.relu(real.neg().add(1))
    .mean()
    .add(F.relu(fake.add(1)).mean())
    .mul(0.5);
}

/** ½ (mean softplus(−real) + mean softplus(fake)) */
export function vanillaDiscriminatorLoss(real: Tensor, fake: Tensor): Tensor {
  return F.softplus(real.neg()).mean().add(F.softplus(fake).mean()).mul(0.5);
}

/**
 * Pixel, perceptual, codebook and adversarial losses, with the discriminator and LPIPS they need. The
 * training steps put its parts together; it has no `forward`.
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
    'adaptiveWeight',
  ];
  /** What its configuration may hold. */
  static readonly schema: typeof schema = schema;
  /** Distance in the features of VGG. */
  readonly perceptualLoss: LPIPS;
  /** Tells pictures from reconstructions. */
  readonly discriminator: NLayerDiscriminator;
  /** What it was made from, defaults filled in. */
  readonly config: Readonly<Settings<typeof schema>>;
  readonly discStart: number;
  readonly codebookWeight: number;
  readonly discConditional: boolean;
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
  }

  /** Whether the perceptual term acts: it has a weight, and LPIPS its weights. */
  get perceptualActive(): boolean {
    return this.config.perceptualWeight > 0 && this.perceptualLoss.loaded;
  }

  /** 0 before `discStart`, then `discFactor`. `globalStep` counts batches from 0. */
  discFactorAt(globalStep: number): number {
    return globalStep < this.config.discStart ? 0 : this.config.discFactor;
  }

  /** pixellossWeight · |x − x̂| + perceptualWeight · LPIPS(x, x̂), both [B, C, H, W], averaged. */
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

  /** Logits of images, beside their condition if the discriminator is conditional. */
  logits(images: Tensor, cond?: Tensor | null): Tensor {
    if (this.discConditional !== Boolean(cond)) {
      throw new TypeError(
        this.discConditional
          ? 'this loss has discConditional: give the condition [B, C, H, W] with the images'
          : 'a condition was given, but this loss was made without discConditional',
      );
    }
    return atLeastFloat32(this.discriminator.forward(cond ? torch.cat([images, cond], 1) : images));
  }

  /** −mean of the logits of reconstructions: what the generator lowers. */
  generatorLoss(logitsFake: Tensor): Tensor {
    return logitsFake.mean().neg();
  }

  /** Hinge or vanilla loss of the discriminator, without its factor. */
  discriminatorLoss(logitsReal: Tensor, logitsFake: Tensor): Tensor {
    const loss = this.config.discLoss === 'hinge' ? hingeDiscriminatorLoss : vanillaDiscriminatorLoss;
    return loss(logitsReal, logitsFake);
  }

  /**
   * λ = ‖∂nll/∂L‖ / (‖∂g/∂L‖ + δ), clamped to [0, 1e4], times `discWeight`: balances the two losses at the
   * decoder's last layer L. Equation 7, with δ = 1e-4 as in the reference's code (the paper says 1e-6).
   */
  adaptiveWeight(nllGradient: Tensor, generatorGradient: Tensor): Tensor {
    const norm = (gradient: Tensor) => torch.linalgVectorNorm(atLeastFloat32(gradient));
    return torch.noGrad(() =>
      norm(nllGradient)
        .div(norm(generatorGradient).add(adaptiveDelta))
        .clamp(0, adaptiveMaximum)
        .mul(this.config.discWeight),
    );
  }

  #sayIfAbsent(): void {
    if (this.#saidAbsent || this.config.perceptualWeight <= 0 || this.perceptualLoss.loaded) return;
    this.#saidAbsent = true;
    process.emitWarning(
      'LPIPS has no weights, so training runs without the perceptual term. VQLPIPSWithDiscriminator takes them through ' +
        'loadStateDict (keys perceptual_loss.*, as in any VQGAN training checkpoint); perceptualWeight: 0 silences this.',
      'TesseraWarning',
    );
  }
}
