/** Functions that both VQGAN training steps use. */
import type { LastLayerGradients } from '../../../models/losses/adaptive-weight.js';
import type { Discriminator } from '../../../models/discriminators/discriminator.js';
import { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { Scaling } from '../../engine/loss-scale.js';
import type { StepState } from './step-state.js';

/** The loss of a VQGAN with any discriminator. */
export type AdversarialLoss = VQLPIPSWithDiscriminator<Discriminator>;

/** Returns the model's loss. @throws TypeError if the steps do not support it */
export function lossOf(model: FirstStage): AdversarialLoss {
  if (model.loss instanceof VQLPIPSWithDiscriminator) return model.loss;
  throw new TypeError(
    'a training step needs a model with a loss: create it with lossconfig: new VQLPIPSWithDiscriminator({ discStart })',
  );
}

/** Returns the last layer's gradients over the batches of all processes, if several train together. */
export function averaged(
  { nll, generator }: LastLayerGradients,
  { average }: { average?: (tensors: readonly Tensor[]) => Tensor[] },
): LastLayerGradients {
  if (!average) return { nll, generator };
  const [jointNll, jointGenerator] = average([nll, generator]);
  return { nll: jointNll!, generator: jointGenerator! };
}

/** Returns the mean logits, detached. */
export function meanLogits(
  logitsReal: Tensor,
  logitsFake: Tensor,
): { logitsReal: Tensor; logitsFake: Tensor } {
  return { logitsReal: logitsReal.detach().mean(), logitsFake: logitsFake.detach().mean() };
}

/** Logits of images. */
interface JudgedImages {
  logitsReal: Tensor;
  /** The weighted term of R1; null if the step does not have it. */
  penalty: Tensor | null;
  /** The same in the logged loss, detached: 0 where losses are scaled and its gradient overflows float16. */
  loggedPenalty: Tensor | null;
}

/** Returns the logits of images that the discriminator learns from. */
export function judgeImages(
  loss: AdversarialLoss,
  batch: Tensor,
  { globalStep, cond, draws }: StepState,
  { scaler }: Scaling,
): JudgedImages {
  const { r1 } = loss;
  if (!r1?.dueAt(globalStep)) return { logitsReal: loss.logits(batch, cond, draws), ...noPenalty };
  const images = batch.detach().requiresGrad_();
  const logitsReal = loss.logits(images, cond, draws);
  const penalty = r1.forward(logitsReal, images, scaler?.scaleOn(batch.device));
  // The scaler leaves out a step that overflows and lowers the scale: its loss is no alarm.
  const loggedPenalty = scaler ? finiteOrZero(penalty.detach()) : penalty.detach();
  return { logitsReal, penalty, loggedPenalty };
}

/** Of images that the discriminator does not learn from, or not with R1. */
export const noPenalty = { penalty: null, loggedPenalty: null } as const;

const finiteOrZero = (x: Tensor): Tensor => torch.where(x.isfinite(), x, torch.zerosLike(x));

/**
 * Returns the discriminator's loss with the weighted terms of LeCam and R1, without its factor; the same to log, and
 * LeCam's term alone, detached.
 *
 * @param share share of these logits in those of the step
 */
export function discriminatorLosses(
  loss: AdversarialLoss,
  { logitsReal, penalty, loggedPenalty }: JudgedImages,
  logitsFake: Tensor,
  share: number,
): { total: Tensor; logged: Tensor; lecamLoss: Tensor } {
  const own = loss.discriminatorLoss(logitsReal, logitsFake);
  const lecam = loss.lecamLoss(logitsReal, logitsFake, share);
  const { lecamLossWeight } = loss.config;
  const withLecam = lecamLossWeight > 0 ? own.add(lecam.mul(lecamLossWeight)) : own;
  return {
    total: penalty ? withLecam.add(penalty) : withLecam,
    logged: loggedPenalty ? withLecam.detach().add(loggedPenalty) : withLecam.detach(),
    lecamLoss: lecam.detach(),
  };
}
