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
import type { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { zeroGradients } from '../../engine/gradients.js';
import { lossOf, meanLogits } from './loss.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import type { VqganLog, VqganOptimizers, VqganState } from './reference-step.js';

/** A loss and its gradient with respect to the reconstruction. */
interface AtReconstruction {
  value: Tensor;
  gradient: Tensor; // [B, C, H, W]
}

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
  state: VqganState,
): VqganLog {
  return torch.scope(() => {
    const loss = lossOf(model);
    const discFactor = loss.discFactorAt(state.globalStep);
    // Done first: the last step's gradients would otherwise take up memory throughout the forward.
    optimizers.generator.zeroGrad();
    const { reconstruction, loss: quantLoss } = model.forward(batch);

    // Separate scopes free each network's intermediates before the next one runs.
    const { pLoss, ...nll } = torch.scope(() => backThroughPerceptual(loss, batch, reconstruction));
    const { generator: g, ...discriminator } = torch.scope(() =>
      updateDiscriminator(loss, optimizers.discriminator, batch, reconstruction, state),
    );

    const atLastLayer = (gradient: Tensor) =>
      torch.grad([reconstruction], [model.lastLayer], { gradOutputs: [gradient], retainGraph: true })[0]!;
    const dWeight = torch.scope(() =>
      loss.adaptiveWeight(atLastLayer(nll.gradient), atLastLayer(g.gradient)),
    );

    const toGenerator =
      discFactor === 0 ? nll.gradient : nll.gradient.add(g.gradient.mul(dWeight).mul(discFactor));
    const weightedQuantLoss = quantLoss.mul(loss.codebookWeight);
    // The gradient of this scalar with respect to the reconstruction is `toGenerator`.
    reconstruction.mul(toGenerator).sum().add(weightedQuantLoss).backward();
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

function backThroughPerceptual(
  loss: VQLPIPSWithDiscriminator,
  batch: Tensor,
  reconstruction: Tensor,
): AtReconstruction & { pLoss: Tensor } {
  const image = reconstruction.detach().requiresGrad_();
  const { nll, perceptual } = loss.reconstructionLoss(batch, image);
  const [gradient] = torch.grad([nll], [image]);
  return { value: nll.detach(), gradient: gradient!, pLoss: perceptual };
}

/**
 * Computes the generator's loss with its gradient, and updates the discriminator, in one pass over the reconstruction.
 */
function updateDiscriminator(
  loss: VQLPIPSWithDiscriminator,
  optimizer: StepOptimizer,
  batch: Tensor,
  reconstruction: Tensor,
  state: VqganState,
): Pick<VqganLog, 'discLoss' | 'logitsReal' | 'logitsFake'> & { generator: AtReconstruction } {
  const discFactor = loss.discFactorAt(state.globalStep);
  const learning = discFactor !== 0;
  const parameters = loss.discriminator.parameters();
  const image = reconstruction.detach().requiresGrad_();
  const logitsFake = loss.logits(image, state.cond);
  const gLoss = loss.generatorLoss(logitsFake);
  const [gradient] = torch.grad([gLoss], [image], { retainGraph: learning });

  const logitsReal = learning
    ? loss.logits(batch, state.cond)
    : torch.noGrad(() => loss.logits(batch, state.cond));
  let discLoss: Tensor;
  optimizer.zeroGrad();
  if (learning) {
    discLoss = loss.discriminatorLoss(logitsReal, logitsFake).mul(discFactor);
    const trained = parameters.filter((parameter) => parameter.requiresGrad);
    const gradients = torch.grad([discLoss], trained, { allowUnused: true });
    for (const [i, parameter] of trained.entries()) parameter.grad = gradients[i] ?? null;
  } else {
    discLoss = torch.zerosLike(gLoss.detach());
    zeroGradients(parameters);
  }
  optimizer.step();
  return {
    generator: { value: gLoss.detach(), gradient: gradient! },
    discLoss: discLoss.detach(),
    ...meanLogits(logitsReal, logitsFake),
  };
}
