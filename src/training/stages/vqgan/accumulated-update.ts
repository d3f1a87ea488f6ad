/**
 * The generator's update of a VQGAN from several parts of a batch. The adaptive weight compares the gradients of the
 * whole batch, which are known only after its last part. Backpropagating both losses through the generator for each part
 * would cost a second backward; instead, the parts go through the generator twice: without gradients, to find the
 * weight and the losses' gradients at each reconstruction, then with them, by the same random numbers. While the
 * discriminator is off there is nothing to weigh, and once is enough.
 */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { atLeastFloat32 } from '../../../models/quantizers/latents.js';
import { meanOfParts, partsOf } from '../../engine/accumulate.js';
import { rememberGenerators } from '../../engine/generators.js';
import { withFrozen } from '../../engine/gradients.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import { backThroughPerceptual, type AtReconstruction } from './at-reconstruction.js';
import { adaptiveWeight, lossOf } from './loss.js';
import type { GeneratorLog, VqganState } from './reference-step.js';

/** A part of a batch and its reconstruction, [B, C, H, W]. */
export interface Part {
  images: Tensor;
  reconstruction: Tensor;
  /** State of the step, with the part's condition. */
  state: VqganState;
  /** Share of the part in the batch. */
  share: number;
}

/** Returns the adversarial loss of a part with its gradient, and what else is logged. */
type Judge<K extends string> = (part: Part) => { generator: AtReconstruction; logs: Record<K, Tensor> };

/** Updates the generator by the mean of the losses of all parts of a batch [B, C, H, W], and averages the logs. */
export function accumulatedUpdate<K extends string>(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  state: VqganState,
  judge: Judge<K>,
): GeneratorLog & Record<K, Tensor> {
  const { accumulate = 1, cond } = state;
  const loss = lossOf(model);
  const discFactor = loss.discFactorAt(state.globalStep);
  const share = 1 / accumulate;
  return torch.scope(() => {
    optimizer.zeroGrad();
    const images = partsOf(batch, accumulate);
    const conditions = cond && partsOf(cond, accumulate);
    const back = ({ reconstruction, loss: quantLoss }: Decoded, gradient: Tensor) => {
      const ofQuantizer = quantLoss.mul(loss.codebookWeight);
      // The gradient of this scalar with respect to the reconstruction is `gradient`.
      reconstruction.mul(gradient).sum().add(ofQuantizer).mul(share).backward();
      optimizer.gather?.();
    };
    const judged: Judged<K>[] = [];
    const replays: (() => void)[] = [];
    const moveCodes = model.quantize.still(() => {
      for (const [i, part] of images.entries()) {
        replays.push(rememberGenerators(batch.device));
        const own = { images: part, share, state: { ...state, ...(conditions && { cond: conditions[i]! }) } };
        const look = () => torch.scope(() => lookAt(model, own, judge, discFactor === 0 ? back : null));
        judged.push(discFactor === 0 ? look() : withoutGenerator(model, look));
      }
    });
    const sumOf = (key: 'nllAtLast' | 'gAtLast') =>
      judged.map((part) => part[key]).reduce((sum, gradient) => sum.add(gradient));
    const dWeight = adaptiveWeight(loss, sumOf('nllAtLast'), sumOf('gAtLast'), state);
    if (discFactor !== 0) {
      const goOn = rememberGenerators(batch.device);
      model.quantize.still(() => {
        for (const [i, part] of images.entries()) {
          replays[i]!();
          const { nll, g } = judged[i]!;
          torch.scope(() => back(model.forward(part), nll.add(g.mul(dWeight).mul(discFactor))));
        }
      });
      goOn();
    }
    optimizer.step();
    moveCodes();

    const logs = meanOfParts<Record<K | LossKey, Tensor>>(judged.map((part) => part.logs));
    const withCodebook = logs.nllLoss.add(logs.quantLoss.mul(loss.codebookWeight));
    const totalLoss =
      discFactor === 0 ? withCodebook : withCodebook.add(logs.gLoss.mul(dWeight).mul(discFactor));
    return { ...logs, totalLoss, dWeight, discFactor };
  });
}

type LossKey = 'nllLoss' | 'pLoss' | 'quantLoss' | 'gLoss';
type Decoded = Pick<ReturnType<FirstStage['forward']>, 'reconstruction' | 'loss'>;

/** What a part contributes: gradients at its reconstruction, its share of those at the last layer, and its logs. */
interface Judged<K extends string> {
  nll: Tensor;
  g: Tensor;
  nllAtLast: Tensor;
  gAtLast: Tensor;
  logs: Record<K | LossKey, Tensor>;
}

/** Computes the losses of a part; with `back`, sends the gradient of the first one through the generator. */
function lookAt<K extends string>(
  model: FirstStage,
  part: Omit<Part, 'reconstruction'>,
  judge: Judge<K>,
  back: ((decoded: Decoded, gradient: Tensor) => void) | null,
): Judged<K> {
  const decoded = model.forward(part.images);
  const { reconstruction, loss: quantLoss } = decoded;
  const { pLoss, ...nll } = torch.scope(() =>
    backThroughPerceptual(lossOf(model), part.images, reconstruction),
  );
  const { generator: g, logs } = torch.scope(() => judge({ ...part, reconstruction }));
  const atLast = (gradient: Tensor) => {
    const how = { gradOutputs: [gradient], retainGraph: true };
    return atLeastFloat32(torch.grad([reconstruction], [model.lastLayer], how)[0]!).mul(part.share);
  };
  const [nllAtLast, gAtLast] = [atLast(nll.gradient), atLast(g.gradient)];
  back?.(decoded, nll.gradient);
  const losses = { nllLoss: nll.value, pLoss, quantLoss: quantLoss.detach(), gLoss: g.value };
  return { nll: nll.gradient, g: g.gradient, nllAtLast, gAtLast, logs: { ...losses, ...logs } };
}

/** Runs `fn` while autograd records nothing of the generator but its last layer. */
function withoutGenerator<T>(model: FirstStage, fn: () => T): T {
  const others = model.generatorParameters().filter((parameter) => parameter !== model.lastLayer);
  return withFrozen(others, fn);
}
