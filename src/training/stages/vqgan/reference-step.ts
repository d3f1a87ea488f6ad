/**
 * One training step of VQGAN, exactly as in the reference: a generator update, then a second full forward for the
 * discriminator's update. `one-pass-step.ts` has the faster default.
 */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { meanOfParts, partsOf, type Accumulation } from '../../engine/accumulate.js';
import { withFrozen, zeroGradients } from '../../engine/gradients.js';
import { scaledFor, unscaledFor } from '../../engine/loss-scale.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import { accumulatedUpdate } from './accumulated-update.js';
import { averaged, discriminatorLosses, judgeImages, lossOf, meanLogits } from './loss.js';
import { statesOfParts, withDraws, type StepState } from './step-state.js';

/** Optimizers of a VQGAN. The reference uses Adam for both, betas (0.5, 0.9), eps 1e-8, with one learning rate. */
export interface VqganOptimizers {
  /** Updates `model.generatorParameters()`. */
  generator: StepOptimizer;
  /** Updates the parameters of the loss's discriminator. */
  discriminator: StepOptimizer;
}

export interface VqganState extends Accumulation {
  /** Number of batches seen so far; 0 at the first step. */
  globalStep: number;
  /** Condition for a conditional discriminator, [B, C, H, W]. */
  cond?: Tensor;
  /** Averages tensors over the processes that train together; see `averageOverProcesses`. Default: alone. */
  average?: (tensors: readonly Tensor[]) => Tensor[];
}

/** Scalars of a step, detached and still on the device: reading one waits for the step, so read at log steps only. */
export interface VqganLog {
  /** Loss that the generator's gradients are computed from. */
  totalLoss: Tensor;
  /** Codebook loss, unweighted. */
  quantLoss: Tensor;
  /** Pixel and perceptual loss, weighted. The reference logs it again as rec_loss. */
  nllLoss: Tensor;
  /** LPIPS, unweighted; 0 if the term is off. */
  pLoss: Tensor;
  /** Weight of the adversarial loss, without the discriminator's factor: by default the adaptive weight times discWeight. */
  dWeight: Tensor;
  /** 0 before discStart. */
  discFactor: number;
  /** The generator's adversarial loss, unweighted: −mean of the logits of reconstructions, or as `discLoss` says. */
  gLoss: Tensor;
  /** The discriminator's loss times its factor, with the terms of LeCam and R1. */
  discLoss: Tensor;
  /** LeCam's term alone, unweighted; 0 if it is off. */
  lecamLoss: Tensor;
  /** Mean logit of the images. */
  logitsReal: Tensor;
  /** Mean logit of the reconstructions at the discriminator's update. */
  logitsFake: Tensor;
}

export type DiscriminatorLog = Pick<VqganLog, 'discLoss' | 'lecamLoss' | 'logitsReal' | 'logitsFake'>;
export type GeneratorLog = Omit<VqganLog, keyof DiscriminatorLog>;

/**
 * Trains on one batch [B, C, H, W] in [−1, 1]. The model must be in training mode to update the discriminator's batch
 * statistics: three times per step, on the reconstructions in the first pass, then on the images and the
 * reconstructions in the second.
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
 * const log = referenceStep(model, { generator, discriminator }, batch, { globalStep: 0 });
 * ```
 */
export function referenceStep(
  model: FirstStage,
  optimizers: VqganOptimizers,
  batch: Tensor,
  given: VqganState,
): VqganLog {
  return torch.scope(() => {
    const state = withDraws(lossOf(model), batch, given);
    const generator = torch.scope(() => updateGenerator(model, optimizers.generator, batch, state));
    const discriminator = torch.scope(() =>
      updateDiscriminator(model, optimizers.discriminator, batch, state),
    );
    return { ...generator, ...discriminator };
  });
}

function updateGenerator(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  state: StepState,
): GeneratorLog {
  const loss = lossOf(model);
  if ((state.accumulate ?? 1) > 1) return updateInParts(model, optimizer, batch, state);
  const discFactor = loss.discFactorAt(state.globalStep);
  // Done first: the last step's gradients would otherwise take up memory throughout the forward.
  optimizer.zeroGrad();
  return withFrozen(loss.discriminator.parameters(), () => {
    const { reconstruction, loss: quantLoss } = model.forward(batch);
    const { nll, perceptual } = loss.reconstructionLoss(batch, reconstruction);
    const gLoss = loss.generatorLoss(loss.logits(reconstruction, state.cond, state.draws));

    const atLastLayer = (value: Tensor) => {
      const [gradient] = torch.grad([scaledFor(optimizer, value)], [model.lastLayer], { retainGraph: true });
      return unscaledFor(optimizer, gradient!);
    };
    const dWeight = loss.adversarialWeight.next(discFactor, nll, () =>
      averaged({ nll: atLastLayer(nll), generator: atLastLayer(gLoss) }, state),
    );

    const withCodebook = nll.add(quantLoss.mul(loss.codebookWeight));
    // A term times zero changes neither value nor gradient, but its backward would still run.
    const totalLoss = discFactor === 0 ? withCodebook : withCodebook.add(gLoss.mul(dWeight).mul(discFactor));
    optimizer.prepareForBackward?.();
    scaledFor(optimizer, totalLoss).backward();
    optimizer.step();
    return {
      totalLoss: totalLoss.detach(),
      quantLoss: quantLoss.detach(),
      nllLoss: nll.detach(),
      pLoss: perceptual,
      dWeight,
      discFactor,
      gLoss: gLoss.detach(),
    };
  });
}

function updateInParts(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  state: StepState,
): GeneratorLog {
  const loss = lossOf(model);
  return withFrozen(loss.discriminator.parameters(), () =>
    accumulatedUpdate<never>(model, optimizer, batch, state, ({ reconstruction, state: { cond, draws } }) => {
      const image = reconstruction.detach().requiresGrad_();
      const gLoss = loss.generatorLoss(loss.logits(image, cond, draws));
      const [gradient] = torch.grad([scaledFor(optimizer, gLoss)], [image]);
      return {
        generator: { value: gLoss.detach(), gradient: unscaledFor(optimizer, gradient!) },
        logs: {},
      };
    }),
  );
}

function updateDiscriminator(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  state: StepState,
): DiscriminatorLog {
  const { accumulate = 1 } = state;
  const images = partsOf(batch, accumulate);
  const states = statesOfParts(state);
  optimizer.zeroGrad();
  const logs: DiscriminatorLog[] = [];
  const learn = () => {
    for (const [i, part] of images.entries()) {
      const last = i === accumulate - 1;
      logs.push(torch.scope(() => backThroughDiscriminator(model, optimizer, part, states[i]!, last)));
      if (accumulate > 1) optimizer.gather?.();
    }
  };
  if (accumulate === 1) learn();
  else model.quantize.still(learn)();
  optimizer.step();
  return meanOfParts(logs);
}

/** Adds the gradients of the discriminator's loss on a part, reconstructed again, to those of the parts before it. */
function backThroughDiscriminator(
  model: FirstStage,
  optimizer: StepOptimizer,
  part: Tensor,
  state: StepState,
  last: boolean,
): DiscriminatorLog {
  const loss = lossOf(model);
  const discFactor = loss.learningFactorAt(state.globalStep);
  const reconstruction = torch.noGrad(() => torch.scope(() => model.forward(part).reconstruction));
  const logits = (images: Tensor) => loss.logits(images, state.cond, state.draws);
  if (discFactor === 0) {
    // Before it learns the logits are logged and the statistics updated.
    const log = torch.noGrad(() => meanLogits(logits(part), logits(reconstruction)));
    zeroGradients(loss.discriminator.parameters());
    const none = torch.zerosLike(log.logitsReal);
    return { ...log, discLoss: none, lecamLoss: none };
  }
  const judged = judgeImages(loss, part, state, optimizer);
  const logitsFake = logits(reconstruction);
  const { accumulate = 1 } = state;
  const { total, logged, lecamLoss } = discriminatorLosses(loss, judged, logitsFake, 1 / accumulate);
  const discLoss = total.mul(discFactor);
  if (last) optimizer.prepareForBackward?.();
  scaledFor(optimizer, accumulate === 1 ? discLoss : discLoss.div(accumulate)).backward();
  return { ...meanLogits(judged.logitsReal, logitsFake), discLoss: logged.mul(discFactor), lecamLoss };
}
