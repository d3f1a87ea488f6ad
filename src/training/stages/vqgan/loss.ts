/** Functions that both VQGAN training steps use. */
import type { LastLayerGradients } from '../../../models/losses/adaptive-weight.js';
import { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Tensor } from '../../../torch/index.js';

/** Returns the model's loss. @throws TypeError if the steps do not support it */
export function lossOf(model: FirstStage): VQLPIPSWithDiscriminator {
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

/**
 * Returns the discriminator's loss with LeCam's weighted term, without its factor, and that term alone, detached.
 *
 * @param share share of these logits in those of the step
 */
export function discriminatorLosses(
  loss: VQLPIPSWithDiscriminator,
  logitsReal: Tensor,
  logitsFake: Tensor,
  share: number,
): { total: Tensor; lecamLoss: Tensor } {
  const own = loss.discriminatorLoss(logitsReal, logitsFake);
  const lecam = loss.lecamLoss(logitsReal, logitsFake, share);
  const { lecamLossWeight } = loss.config;
  return {
    total: lecamLossWeight > 0 ? own.add(lecam.mul(lecamLossWeight)) : own,
    lecamLoss: lecam.detach(),
  };
}
