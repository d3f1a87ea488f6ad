/** Functions that both VQGAN training steps use. */
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

/** Returns the adaptive weight of the last layer's gradients, which several processes average before. */
export function adaptiveWeight(
  loss: VQLPIPSWithDiscriminator,
  nll: Tensor,
  generator: Tensor,
  { average }: { average?: (tensors: readonly Tensor[]) => Tensor[] },
): Tensor {
  if (!average) return loss.adaptiveWeight(nll, generator);
  const [jointNll, jointGenerator] = average([nll, generator]);
  return loss.adaptiveWeight(jointNll!, jointGenerator!);
}

/** Returns the mean logits, detached. */
export function meanLogits(
  logitsReal: Tensor,
  logitsFake: Tensor,
): { logitsReal: Tensor; logitsFake: Tensor } {
  return { logitsReal: logitsReal.detach().mean(), logitsFake: logitsFake.detach().mean() };
}
