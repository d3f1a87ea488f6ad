/** Losses of discriminators and generators, of logits of images (real) and of reconstructions (fake). */
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';

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
 * Returns mean softplus(−real) + mean softplus(fake), where the logits [B, …] of an image are averaged first.
 *
 * @example
 * ```ts
 * const [real, fake] = [torch.zeros([4, 1, 6, 6]), torch.zeros([4, 1, 6, 6])];
 * nonSaturatingDiscriminatorLoss(real, fake); // 1.386…, 2 ln 2
 * ```
 */
export function nonSaturatingDiscriminatorLoss(real: Tensor, fake: Tensor): Tensor {
  return F.softplus(perImage(real).neg())
    .mean()
    .add(F.softplus(perImage(fake)).mean());
}

/**
 * Returns minus the mean logit, the generator's loss against a hinge loss.
 *
 * @example
 * ```ts
 * hingeGeneratorLoss(torch.tensor([3, -1])); // -1
 * ```
 */
export function hingeGeneratorLoss(fake: Tensor): Tensor {
  return fake.mean().neg();
}

/**
 * Returns mean softplus(−fake), where the logits [B, …] of an image are averaged first: unlike that of
 * `hingeGeneratorLoss`, its gradient is bounded and fades once the discriminator is deceived.
 *
 * @example
 * ```ts
 * nonSaturatingGeneratorLoss(torch.zeros([4, 1, 6, 6])); // 0.693…, ln 2
 * ```
 */
export function nonSaturatingGeneratorLoss(fake: Tensor): Tensor {
  return F.softplus(perImage(fake).neg()).mean();
}

const perImage = (logits: Tensor): Tensor => (logits.ndim < 2 ? logits : logits.flatten(1).mean([1])); // [B]

/** Losses by their name in configurations. */
export const adversarialLosses = {
  hinge: { ofDiscriminator: hingeDiscriminatorLoss, ofGenerator: hingeGeneratorLoss },
  // The reference's generator has the same loss against both.
  vanilla: { ofDiscriminator: vanillaDiscriminatorLoss, ofGenerator: hingeGeneratorLoss },
  'non-saturating': {
    ofDiscriminator: nonSaturatingDiscriminatorLoss,
    ofGenerator: nonSaturatingGeneratorLoss,
  },
} as const;
