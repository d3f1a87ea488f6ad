/** Feature vectors of images, as metrics of distributions take them: one row for each image. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/**
 * Checks features [N, D] and returns them in float64 on the CPU, where the metrics of features compute: the square root
 * of a covariance and differences of large sums lose too many digits in float32.
 *
 * @param owner name for errors
 * @param least smallest number of rows. Default 2
 * @throws ShapeError for another shape or too few rows; RangeError for NaN or infinity
 */
export function featureRows(features: Tensor, owner: string, least = 2): Tensor {
  const [count = 0, width = 0] = features.shape;
  if (features.ndim !== 2 || count < least || width === 0) {
    throw new torch.ShapeError(
      `${owner} takes features [N, D] of at least ${least} images, got [${features.shape.join(', ')}]`,
    );
  }
  const rows = features.detach().to('cpu').double();
  if (!torch.isfinite(rows).all().item()) {
    throw new RangeError(
      `${owner}: the features have NaN or infinite values; were the weights of the network loaded?`,
    );
  }
  return rows;
}

/** Checks two sets of features of the same width. */
export function featurePair(
  a: Tensor,
  b: Tensor,
  owner: string,
  least?: number,
): { a: Tensor; b: Tensor; width: number } {
  const pair = { a: featureRows(a, owner, least), b: featureRows(b, owner, least), width: a.shape[1]! };
  if (b.shape[1] === pair.width) return pair;
  throw new torch.ShapeError(
    `${owner} compares features of the same network, got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
  );
}
