/** Rejection sampling: of many samples, keep those that a classifier recognises (arXiv 2012.09841, section 4.4). */
import { show } from '../config/read.js';
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import { ImageSampler, type SampleImagesOptions } from './images.js';

/** Returns logits `[N, classes]` of images `[N, C, H, W]` in [−1, 1]: a module, or a function around one. */
export type Classifier = nn.Module | ((images: Tensor) => Tensor);

export interface RejectionOptions extends Omit<
  SampleImagesOptions,
  'prefix' | 'sampler' | 'seeds' | 'onToken'
> {
  /** Classifier of the images. A module is used in the mode that it is in; call `eval()` first. */
  classifier: Classifier;
  /** Class that each image should show, int64 `[B]`. Default: the condition, for models of classes. */
  labels?: Tensor;
  /** Share of the drawn images that is kept, above 0 and at most 1. Default 0.5. */
  acceptance?: number;
}

/** Images that were kept, and their scores. */
export interface AcceptedImages {
  /** `[B, C, H, W]` */
  images: Tensor;
  /** Probability of the wanted class, float32 `[B]`. */
  scores: Tensor;
}

/**
 * Draws ⌈1 / acceptance⌉ images for each row of the condition `[B, N]`, and keeps the one of each row whose wanted class
 * the classifier finds most probable.
 *
 * @throws RangeError for an acceptance out of range, labels that the classifier does not know, or wrong shapes
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const { indices: condition } = net.encodeToC(torch.tensor([3n, 7n])); // [2, 1]
 * const classifier = (images: Tensor) => images.mean([2, 3]); // instead of a trained network: three "classes"
 * const { images, scores } = sampleAccepted(net, condition, {
 *   classifier,
 *   labels: torch.tensor([0n, 2n]),
 *   acceptance: 0.25,
 *   grid: [16, 16],
 * });
 * ```
 */
export function sampleAccepted(
  net: TwoStage,
  condition: Tensor,
  { classifier, labels, acceptance = 0.5, grid, window, ...pick }: RejectionOptions,
): AcceptedImages {
  if (!(acceptance > 0 && acceptance <= 1)) {
    throw new RangeError(`acceptance must be a number above 0 and at most 1, got ${show(acceptance)}`);
  }
  const batch = condition.shape[0]!;
  const wanted = labels ?? (condition.shape[1] === 1 ? condition.squeeze(1) : null);
  if (wanted?.shape.join() !== String(batch)) {
    throw new RangeError(
      `labels must be [${batch}], a class for each row of the condition, got ${wanted ? `[${wanted.shape.join(', ')}]` : 'none'}`,
    );
  }
  const tries = Math.ceil(1 / acceptance);
  const judge = (images: Tensor) =>
    classifier instanceof nn.Module ? classifier.forward(images) : classifier(images);
  using sampler = new ImageSampler(net, pick);
  const size = { ...(grid && { grid }), ...(window !== undefined && { window }) };
  return torch.noGrad(() =>
    torch.scope(() => {
      let best: AcceptedImages | null = null;
      for (let i = 0; i < tries; i++) {
        const images = sampler.sample(condition, size);
        const scores = scoresOf(judge(images), wanted.to(images.device));
        best = best ? better(best, { images, scores }) : { images, scores };
      }
      return best!;
    }),
  );
}

/** Returns the probability of the wanted class of each image. */
function scoresOf(logits: Tensor, wanted: Tensor): Tensor {
  const [rows, classes = 0] = logits.shape;
  if (logits.ndim !== 2 || rows !== wanted.shape[0]) {
    throw new RangeError(
      `the classifier must return logits [${wanted.shape[0]}, classes], got [${logits.shape.join(', ')}]`,
    );
  }
  const [least, most] = [wanted.min(), wanted.max()].map((value) => Number(value.item())) as [number, number];
  if (least < 0 || most >= classes) {
    const wrong = least < 0 ? least : most;
    throw new RangeError(`the classifier knows classes 0 to ${classes - 1}, but class ${wrong} is wanted`);
  }
  return logits.float().softmax(-1).gather(1, wanted.long().unsqueeze(1)).squeeze(1);
}

/** Takes of each row the image with the higher score; the earlier one if they are equal. */
function better(old: AcceptedImages, found: AcceptedImages): AcceptedImages {
  const wins = found.scores.gt(old.scores);
  return {
    images: torch.where(wins.view([-1, 1, 1, 1]), found.images, old.images),
    scores: torch.where(wins, found.scores, old.scores),
  };
}
