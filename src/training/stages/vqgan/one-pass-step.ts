/**
 * The default training step of VQGAN: one generator forward for both updates.
 *
 * The adaptive weight compares the gradients of two losses at the decoder's last layer. For this, the reference
 * backpropagates through the perceptual network and the discriminator once, and once more for the update. Here, each
 * loss is backpropagated once, to the reconstruction only; the weight gradient of the last convolution turns the
 * results into the two gradients to compare, and their weighted sum is backpropagated through the generator once. The
 * generator's gradients equal the reference's.
 *
 * Unlike in `referenceStep`, the discriminator learns from the reconstruction made before the generator's update, and
 * sees it once, so that its batch statistics are updated twice per step instead of three times.
 */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { accumulatedUpdate } from './accumulated-update.js';
import { backThroughDiscriminator, backThroughPerceptual } from './at-reconstruction.js';
import { scaledFor, unscaledFor } from '../../engine/loss-scale.js';
import { averaged, lossOf } from './loss.js';
import type { VqganLog, VqganOptimizers, VqganState } from './reference-step.js';
import { withDraws, type StepState } from './step-state.js';

/**
 * Trains on one batch [B, C, H, W] in [−1, 1]; arguments and result are those of `referenceStep`.
 *
 * @throws TypeError if the model has no VQLPIPSWithDiscriminator
 *
 * @example
 * ```ts
 * const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, lossconfig: loss });
 * const generator = new optim.Adam(model.generatorParameters(), { lr: 1e-4 });
 * const discriminator = new optim.Adam(loss.discriminator.parameters(), { lr: 1e-4 });
 * const batch = torch.zeros([1, 3, 64, 64]);
 * const log = onePassStep(model, { generator, discriminator }, batch, { globalStep: 0 });
 * console.log(log.nllLoss.item());
 * ```
 */
export function onePassStep(
  model: FirstStage,
  optimizers: VqganOptimizers,
  batch: Tensor,
  given: VqganState,
): VqganLog {
  return torch.scope(() => {
    const loss = lossOf(model);
    const state = withDraws(loss, batch, given);
    if ((state.accumulate ?? 1) > 1) return accumulatedStep(model, optimizers, batch, state);
    const discFactor = loss.discFactorAt(state.globalStep);
    // Done first: the last step's gradients would otherwise take up memory throughout the forward.
    optimizers.generator.zeroGrad();
    const { reconstruction, loss: quantLoss } = model.forward(batch);

    // Separate scopes free each network's intermediates before the next one runs.
    const { pLoss, ...nll } = torch.scope(() =>
      backThroughPerceptual(loss, batch, reconstruction, optimizers.generator),
    );
    optimizers.discriminator.zeroGrad();
    const { generator: g, ...discriminator } = torch.scope(() =>
      backThroughDiscriminator(loss, batch, reconstruction, optimizers, state),
    );
    optimizers.discriminator.step();

    const atLastLayer = (gradient: Tensor) => {
      const how = { gradOutputs: [scaledFor(optimizers.generator, gradient)], retainGraph: true };
      return unscaledFor(optimizers.generator, torch.grad([reconstruction], [model.lastLayer], how)[0]!);
    };
    const dWeight = loss.adversarialWeight.next(discFactor, nll.value, () =>
      averaged({ nll: atLastLayer(nll.gradient), generator: atLastLayer(g.gradient) }, state),
    );

    const toGenerator =
      discFactor === 0 ? nll.gradient : nll.gradient.add(g.gradient.mul(dWeight).mul(discFactor));
    const weightedQuantLoss = quantLoss.mul(loss.codebookWeight);
    // The gradient of this scalar with respect to the reconstruction is `toGenerator`.
    const total = reconstruction.mul(toGenerator).sum().add(weightedQuantLoss);
    optimizers.generator.prepareForBackward?.();
    scaledFor(optimizers.generator, total).backward();
    optimizers.generator.step();

    const withCodebook = nll.value.add(weightedQuantLoss.detach());
    return {
      totalLoss: discFactor === 0 ? withCodebook : withCodebook.add(g.value.mul(dWeight).mul(discFactor)),
      quantLoss: quantLoss.detach(),
      nllLoss: nll.value,
      pLoss,
      dWeight,
      discFactor,
      gLoss: g.value,
      ...discriminator,
    };
  });
}

/** The same step in parts: each goes through the discriminator once, which learns from all of them. */
function accumulatedStep(
  model: FirstStage,
  optimizers: VqganOptimizers,
  batch: Tensor,
  state: StepState,
): VqganLog {
  const { generator, discriminator } = optimizers;
  discriminator.zeroGrad();
  const log = accumulatedUpdate(model, generator, batch, state, (part) => {
    const { images, reconstruction, state: own } = part;
    const judged = backThroughDiscriminator(lossOf(model), images, reconstruction, optimizers, own, part);
    discriminator.gather?.();
    const { generator: g, ...logs } = judged;
    return { generator: g, logs };
  });
  discriminator.step();
  return log;
}
