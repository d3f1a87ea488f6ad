/** Precision and recall of generated images by balls around features. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featurePair } from './features.js';
import { eachBlock, neighbourRadii } from './row-distances.js';

export interface PrecisionRecallOptions {
  /** A ball reaches to the k-th nearest of the other features of its set. Default 5. */
  k?: number;
  /**
   * Rule for a feature exactly on the border of a ball: it is outside by `prdc` (the code of Naeem et al.), and inside by
   * `improved` (torch-fidelity and ADM's evaluation, after Kynkäänniemi et al.). Default `prdc`.
   */
  rule?: 'prdc' | 'improved';
}

export interface PrecisionRecall {
  /** Share of generated images in the ball of a real one (arXiv 1904.06991). */
  precision: number;
  /** Share of real images in the ball of a generated one (arXiv 1904.06991). */
  recall: number;
  /** Number of real balls around a generated image, divided by k; it may exceed 1 (arXiv 2002.09797). */
  density: number;
  /** Share of real images with a generated one in their ball (arXiv 2002.09797). */
  coverage: number;
}

/**
 * Returns precision, recall, density and coverage of generated images by features [N, D] of real ones and [M, D] of
 * generated ones, in float64 on the CPU. They depend on the numbers of images, so that only values from equally many can
 * be compared.
 *
 * @throws ShapeError for features of different widths; RangeError for a k that a set is too small for
 *
 * @example
 * ```ts
 * const [real, fake] = [torch.randn([50, 8]), torch.randn([40, 8])];
 * const { precision, recall } = precisionRecall(real, fake, { k: 3 });
 * ```
 */
export function precisionRecall(
  real: Tensor,
  fake: Tensor,
  { k = 5, rule = 'prdc' }: PrecisionRecallOptions = {},
): PrecisionRecall {
  return unrecorded(() => {
    const { a, b } = featurePair(real, fake, 'precisionRecall');
    const [countReal, countFake] = [a.shape[0]!, b.shape[0]!];
    const most = Math.min(countReal, countFake) - 1;
    if (!(Number.isSafeInteger(k) && k > 0 && k <= most)) {
      throw new RangeError(`k is a number from 1 to ${most}, the others in the smaller set; got ${k}`);
    }
    const inside = (squared: Tensor, radii: Tensor) =>
      rule === 'prdc' ? squared.lt(radii) : squared.le(radii);
    const [radiiReal, radiiFake] = [neighbourRadii(a, k), neighbourRadii(b, k)];
    const balls = torch.zeros([countFake], { dtype: 'int64' }); // real balls around each generated image
    let [recalled, covered] = [0, 0];
    eachBlock(a, b, (squared, from) => {
      const own = radiiReal.narrow(0, from, squared.shape[0]!);
      balls.add_(inside(squared, own.unsqueeze(1)).sum([0]));
      covered += countOf(inside(squared.amin([1]), own));
      recalled += countOf(inside(squared, radiiFake).any(1));
    });
    return {
      precision: countOf(balls.gt(0)) / countFake,
      recall: recalled / countReal,
      density: Number(balls.sum().item()) / (k * countFake),
      coverage: covered / countReal,
    };
  });
}

const countOf = (mask: Tensor): number => Number(mask.sum().item());
