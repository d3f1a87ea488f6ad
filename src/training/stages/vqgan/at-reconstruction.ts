/** The losses of a VQGAN, backpropagated to the reconstruction only. */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { addGradients } from '../../engine/accumulate.js';
import { scaledFor, unscaledFor, type Scaling } from '../../engine/loss-scale.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import { zeroGradients } from '../../engine/gradients.js';
import { discriminatorLosses, judgeImages, meanLogits, noPenalty, type AdversarialLoss } from './loss.js';
import type { DiscriminatorLog } from './reference-step.js';
import type { StepState } from './step-state.js';

/** A loss and its gradient with respect to the reconstruction. */
export interface AtReconstruction {
  value: Tensor;
  gradient: Tensor; // [B, C, H, W]
}

/** Computes the pixel and perceptual loss with its gradient, which is not scaled. */
export function backThroughPerceptual(
  loss: AdversarialLoss,
  batch: Tensor,
  reconstruction: Tensor,
  scaling: Scaling,
): AtReconstruction & { pLoss: Tensor } {
  const image = reconstruction.detach().requiresGrad_();
  const { nll, perceptual } = loss.reconstructionLoss(batch, image);
  const [gradient] = torch.grad([scaledFor(scaling, nll)], [image]);
  return { value: nll.detach(), gradient: unscaledFor(scaling, gradient!), pLoss: perceptual };
}

/**
 * Computes the generator's loss with its gradient, and the discriminator's gradients, in one pass over the
 * reconstruction.
 *
 * @param optimizers the generator's gradient is not scaled; the discriminator's are, if its optimizer has a scaler
 * @param part weight of the discriminator's gradients, which are added to those that its parameters have, and whether
 *   they are the last ones of the step
 */
export function backThroughDiscriminator(
  loss: AdversarialLoss,
  batch: Tensor,
  reconstruction: Tensor,
  optimizers: { generator: Scaling; discriminator: StepOptimizer },
  state: StepState,
  { share, last } = { share: 1, last: true },
): DiscriminatorLog & { generator: AtReconstruction } {
  const discFactor = loss.learningFactorAt(state.globalStep);
  const learning = discFactor !== 0;
  const parameters = loss.discriminator.parameters();
  const image = reconstruction.detach().requiresGrad_();
  const logitsFake = loss.logits(image, state.cond, state.draws);
  const gLoss = loss.generatorLoss(logitsFake);
  const scaledLoss = scaledFor(optimizers.generator, gLoss);
  const [gradient] = torch.grad([scaledLoss], [image], { retainGraph: learning });

  const judged = learning
    ? judgeImages(loss, batch, state, optimizers.discriminator)
    : { logitsReal: torch.noGrad(() => loss.logits(batch, state.cond, state.draws)), ...noPenalty };
  let discLoss: Tensor;
  let lecamLoss: Tensor;
  if (learning) {
    const losses = discriminatorLosses(loss, judged, logitsFake, share);
    ({ lecamLoss } = losses);
    const total = losses.total.mul(discFactor);
    discLoss = losses.logged.mul(discFactor);
    const trained = parameters.filter((parameter) => parameter.requiresGrad);
    const weighted = scaledFor(optimizers.discriminator, share === 1 ? total : total.mul(share));
    if (optimizers.discriminator.prepareForBackward) {
      // Unlike `torch.grad`, backward tells as soon as it has a gradient.
      if (last) optimizers.discriminator.prepareForBackward();
      weighted.backward(null, { inputs: trained });
    } else addGradients(trained, torch.grad([weighted], trained, { allowUnused: true }));
  } else {
    discLoss = lecamLoss = torch.zerosLike(gLoss.detach());
    zeroGradients(parameters);
  }
  return {
    generator: { value: gLoss.detach(), gradient: unscaledFor(optimizers.generator, gradient!) },
    discLoss,
    lecamLoss,
    ...meanLogits(judged.logitsReal, logitsFake),
  };
}
