/** Inception Score (arXiv 1606.03498). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featureRows } from './features.js';
import { meanAndDeviation, type MeanAndDeviation } from './mean-and-deviation.js';

/**
 * Returns the Inception Score (IS): exp of the mean KL divergence between the class probabilities of each image and
 * their mean, for each of `splits` parts of the images in their order. Mean and population standard deviation over the
 * parts, in float64 on the CPU.
 *
 * @param probabilities class probabilities of each image: [N, K], rows that sum to 1
 * @param options.splits number of parts, of which part i ends before row (i + 1)·N / splits, rounded down. Default 10
 * @throws RangeError for rows that are not probabilities, and for more splits than images
 *
 * @example
 * ```ts
 * const probabilities = torch.randn([40, 10]).softmax(1);
 * const { mean, std } = inceptionScore(probabilities, { splits: 4 });
 * ```
 */
export function inceptionScore(
  probabilities: Tensor,
  { splits = 10 }: { splits?: number } = {},
): MeanAndDeviation {
  return unrecorded(() => {
    const rows = featureRows(probabilities, 'inceptionScore', 1);
    const [count = 0] = rows.shape;
    if (!(Number.isSafeInteger(splits) && splits > 0 && splits <= count)) {
      throw new RangeError(`splits is a number from 1 to ${count}, the number of images; got ${splits}`);
    }
    expectProbabilities(rows);
    const ends = Array.from({ length: splits + 1 }, (_, i) => Math.floor((i * count) / splits));
    const scores = ends.slice(1).map((end, i) => score(rows.narrow(0, ends[i]!, end - ends[i]!)));
    return meanAndDeviation(scores);
  });
}

function score(rows: Tensor): number {
  const marginal = rows.mean([0], true); // [1, K]
  // xlogy: a class of probability 0 adds 0.
  const divergence = torch.xlogy(rows, rows).sub(torch.xlogy(rows, marginal)).sum([1]); // [N]
  return Math.exp(divergence.mean().item());
}

function expectProbabilities(rows: Tensor): void {
  const negative = rows.amin().item() < 0;
  const off = rows.sum([1]).sub(1).abs().amax().item();
  if (!negative && off <= 1e-3) return;
  const what = negative ? 'has negative values' : `has a row whose sum is off by ${off.toPrecision(2)}`;
  throw new RangeError(
    `inceptionScore takes probabilities [N, K], but the tensor ${what}; of logits take .softmax(1)`,
  );
}
