/** What both of VQGAN's training steps need. */
import { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Tensor } from '../../../torch/index.js';

/** The model's loss; a TypeError if it has none that a step can use. */
export function lossOf(model: FirstStage): VQLPIPSWithDiscriminator {
  if (model.loss instanceof VQLPIPSWithDiscriminator) return model.loss;
  throw new TypeError(
    'a training step needs a model with a loss: give VQModel lossconfig: new VQLPIPSWithDiscriminator({ discStart })',
  );
}

/** Mean logits, detached. */
export function meanLogits(
  logitsReal: Tensor,
  logitsFake: Tensor,
): { logitsReal: Tensor; logitsFake: Tensor } {
  return { logitsReal: logitsReal.detach().mean(), logitsFake: logitsFake.detach().mean() };
}
