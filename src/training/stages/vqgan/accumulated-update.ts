/**
 * The generator's update of a VQGAN from several parts of a batch. The adaptive weight compares the gradients of the
 * whole batch, which are known only after its last part. Backpropagating both losses through the generator for each part
 * would cost a second backward; instead, the parts go through the generator twice: without gradients, to find the
 * weight and the losses' gradients at each reconstruction, then with them, by the same random numbers. While the
 * discriminator is off there is nothing to weigh, and a fixed weight is known: once is then enough.
 */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { atLeastFloat32 } from '../../../models/quantizers/latents.js';
import { meanOfParts, partsOf } from '../../engine/accumulate.js';
import { rememberGenerators } from '../../engine/generators.js';
import { scaledFor, unscaledFor, type Scaling } from '../../engine/loss-scale.js';
import { withFrozen } from '../../engine/gradients.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import { backThroughPerceptual, type AtReconstruction } from './at-reconstruction.js';
import { averaged, lossOf } from './loss.js';
import type { GeneratorLog } from './reference-step.js';
import { statesOfParts, type StepState } from './step-state.js';

/** A part of a batch and its reconstruction, [B, C, H, W]. */
export interface Part {
  images: Tensor;
  reconstruction: Tensor;
  /** State of the step, with the part's condition and random numbers. */
  state: StepState;
  /** Share of the part in the batch. */
  share: number;
  /** True for the last part of a batch. */
  last: boolean;
}

/** Returns the adversarial loss of a part with its gradient, and the other values to log. */
type Judge<K extends string> = (part: Part) => { generator: AtReconstruction; logs: Record<K, Tensor> };

/** Updates the generator by the mean of the losses of all parts of a batch [B, C, H, W], and averages the logs. */
export function accumulatedUpdate<K extends string>(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  state: StepState,
  judge: Judge<K>,
): GeneratorLog & Record<K, Tensor> {
  const { accumulate = 1 } = state;
  const loss = lossOf(model);
  const discFactor = loss.discFactorAt(state.globalStep);
  const share = 1 / accumulate;
  return torch.scope(() => {
    optimizer.zeroGrad();
    const images = partsOf(batch, accumulate);
    const states = statesOfParts(state);
    const back = ({ reconstruction, loss: quantLoss }: Decoded, gradient: Tensor, last: boolean) => {
      const ofQuantizer = quantLoss.mul(loss.codebookWeight);
      if (last) optimizer.prepareForBackward?.();
      // The gradient of this scalar with respect to the reconstruction is `gradient`.
      scaledFor(optimizer, reconstruction.mul(gradient).sum().add(ofQuantizer).mul(share)).backward();
      optimizer.gather?.();
    };
    const { adversarialWeight } = loss;
    const combined = ({ nll, g }: Gradients, weight: Tensor) =>
      discFactor === 0 ? nll : nll.add(g.mul(weight).mul(discFactor));
    const once = discFactor === 0 || !adversarialWeight.adaptive;
    const backAtOnce = (decoded: Decoded, gradients: Gradients, last: boolean) => {
      const weight = torch.full([], loss.config.discWeight, likeOf(gradients.g));
      back(decoded, combined(gradients, weight), last);
    };
    const judged: Judged<K>[] = [];
    const replays: (() => void)[] = [];
    const moveCodes = model.quantize.still(() => {
      for (const [i, part] of images.entries()) {
        replays.push(rememberGenerators(batch.device));
        const own = { images: part, share, last: i === accumulate - 1, state: states[i]! };
        const look = () => torch.scope(() => lookAt(model, optimizer, own, judge, once ? backAtOnce : null));
        judged.push(once ? look() : withoutGenerator(model, look));
      }
    });
    const atLast = (key: keyof Gradients) =>
      judged.map((part) => part.last![key]).reduce((sum, gradient) => sum.add(gradient));
    const dWeight = adversarialWeight.next(discFactor, judged[0]!.logs.nllLoss, () =>
      averaged({ nll: atLast('nll'), generator: atLast('g') }, state),
    );
    if (!once) {
      const goOn = rememberGenerators(batch.device);
      model.quantize.still(() => {
        for (const [i, part] of images.entries()) {
          replays[i]!();
          const last = i === accumulate - 1;
          torch.scope(() => back(model.forward(part), combined(judged[i]!, dWeight), last));
        }
      }, false);
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

/** Gradients of the two losses of a part with respect to its reconstruction. */
interface Gradients {
  nll: Tensor;
  g: Tensor;
}

/** Contribution of a part: its gradients, its share of those at the last layer if the weight is adaptive, and its logs. */
interface Judged<K extends string> extends Gradients {
  last: Gradients | null;
  logs: Record<K | LossKey, Tensor>;
}

const likeOf = ({ dtype, device }: Tensor) => ({ dtype, device });

/** Computes the losses of a part; with `back`, sends their gradients through the generator. */
function lookAt<K extends string>(
  model: FirstStage,
  scaling: Scaling,
  part: Omit<Part, 'reconstruction'>,
  judge: Judge<K>,
  back: ((decoded: Decoded, gradients: Gradients, last: boolean) => void) | null,
): Judged<K> {
  const decoded = model.forward(part.images);
  const { reconstruction, loss: quantLoss } = decoded;
  const { pLoss, ...nll } = torch.scope(() =>
    backThroughPerceptual(lossOf(model), part.images, reconstruction, scaling),
  );
  const { generator: g, logs } = torch.scope(() => judge({ ...part, reconstruction }));
  const atLast = (gradient: Tensor) => {
    const how = { gradOutputs: [scaledFor(scaling, gradient)], retainGraph: true };
    const [atLayer] = torch.grad([reconstruction], [model.lastLayer], how);
    return atLeastFloat32(unscaledFor(scaling, atLayer!)).mul(part.share);
  };
  const gradients = { nll: nll.gradient, g: g.gradient };
  const { adaptive } = lossOf(model).adversarialWeight;
  const last = adaptive ? { nll: atLast(gradients.nll), g: atLast(gradients.g) } : null;
  back?.(decoded, gradients, part.last);
  const losses = { nllLoss: nll.value, pLoss, quantLoss: quantLoss.detach(), gLoss: g.value };
  return { ...gradients, last, logs: { ...losses, ...logs } };
}

/** Runs `fn` while autograd records nothing of the generator but its last layer. */
function withoutGenerator<T>(model: FirstStage, fn: () => T): T {
  const others = model.generatorParameters().filter((parameter) => parameter !== model.lastLayer);
  return withFrozen(others, fn);
}
