/** Settings of the training objective of VQGAN, and the discriminator that they ask for. */
import * as nn from '../../torch/nn/index.js';
import {
  count,
  flag,
  kind,
  model,
  natural,
  notNegative,
  number,
  oneOf,
  optional,
  positive,
  probability,
  type Given,
  type Settings,
} from '../../config/schema.js';
import { show } from '../../config/read.js';
import type { Discriminator } from '../discriminators/discriminator.js';
import { NLayerDiscriminator } from '../discriminators/n-layer.js';
import { diffAugmentPolicies, isDiffAugmentPolicy } from './diff-augment.js';

const discriminatorKind = 'a discriminator, such as tessera.discriminators.StyleGAN2';

/** Schema of `VQLPIPSWithDiscriminator`. */
export const schema = {
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
  /**
   * Type of adversarial loss. 'hinge' and 'vanilla' are the discriminator's, and the generator's is then minus the mean
   * logit, as in the reference; 'non-saturating' is that of both, see `nonSaturatingGeneratorLoss`. Default 'hinge'.
   */
  discLoss: oneOf('hinge', 'vanilla', 'non-saturating')('hinge'),
  /**
   * Discriminator instead of the patch discriminator, or a function that builds it; `discNumLayers`, `discInChannels`,
   * `discNdf`, `useActnorm` and `discSpectralNorm` are the patch discriminator's, and are left out then.
   */
  discriminator: optional(
    model<Discriminator | (() => Discriminator)>(
      discriminatorKind,
      (value) => isDiscriminator(value) || (typeof value === 'function' && !('schema' in value)),
      'later',
    ),
  ),
  /** If true, the patch discriminator's convolutions have spectral norm; see `NLayerDiscriminator`. Default false. */
  discSpectralNorm: flag(false),
  /** Weight γ of the gradient penalty R1 in the discriminator's loss; see `R1Penalty`. Default 0: none. */
  r1Weight: notNegative(0),
  /** Number of steps from one R1 penalty to the next, which has that many times the weight. Default 16. */
  r1Every: count(16),
  /**
   * Augmentations of all that the discriminator sees, in their order, such as 'color,translation,cutout'; see
   * `diffAugment`. Default: none.
   */
  diffAugment: optional(
    kind<string>(diffAugmentPolicies, (value) => typeof value === 'string' && isDiffAugmentPolicy(value))(),
  ),
  /** If true, LPIPS applies dropout in training mode (see LPIPS). Default false. */
  lpipsDropout: flag(false),
};

export type VQLPIPSWithDiscriminatorConfig<D extends Discriminator = NLayerDiscriminator> = Omit<
  Given<typeof schema>,
  'discriminator'
> & { discriminator?: D | (() => D) | null };

/** Settings of the patch discriminator. */
const ofPatches = ['discNumLayers', 'discInChannels', 'discNdf', 'useActnorm', 'discSpectralNorm'] as const;
type PatchSetting = (typeof ofPatches)[number];

const isDiscriminator = (value: unknown): value is Discriminator =>
  value instanceof nn.Module && 'inChannels' in value;

/** @throws TypeError if a function has built something else */
function accepted(built: Discriminator): Discriminator {
  if (isDiscriminator(built)) return built;
  throw new TypeError(
    `VQLPIPSWithDiscriminator: discriminator must be ${discriminatorKind}, got ${show(built)}`,
  );
}

/**
 * Returns the discriminator that settings ask for: the one given, which may have to be built, or a patch discriminator.
 *
 * @throws TypeError if settings of the patch discriminator come with another one
 */
export function discriminatorOf(
  settings: Pick<Settings<typeof schema>, PatchSetting>,
  given: Discriminator | (() => Discriminator) | undefined,
): Discriminator {
  if (!given) {
    const { discInChannels: inChannels, discNdf: ndf, discNumLayers: nLayers, useActnorm } = settings;
    const { discSpectralNorm: spectralNorm } = settings;
    return new NLayerDiscriminator({ inChannels, ndf, nLayers, useActnorm, spectralNorm });
  }
  const both = ofPatches.find((name) => settings[name] !== schema[name].fallback);
  if (both === undefined) return accepted(typeof given === 'function' ? given() : given);
  throw new TypeError(
    `VQLPIPSWithDiscriminator: ${both} belongs to the patch discriminator, but another one is given as discriminator: ` +
      `leave ${both} out, and set what the other one has for it`,
  );
}
