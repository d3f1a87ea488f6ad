/** Fréchet distance of features, which with the features of Inception is FID (arXiv 1706.08500). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featurePair, featureRows } from './features.js';

/** Mean and covariance of features. */
export interface FeatureStatistics {
  /** Number of images. */
  count: number;
  /** Mean: [D], float64. */
  mean: Tensor;
  /** Sample covariance, which divides by N − 1: [D, D], float64. */
  covariance: Tensor;
}

/**
 * Returns mean and sample covariance of features [N, D], in float64 on the CPU.
 *
 * @throws ShapeError for fewer than two rows; RangeError for NaN or infinity
 *
 * @example
 * ```ts
 * const { mean, covariance } = featureStatistics(torch.randn([100, 8])); // [8], [8, 8]
 * ```
 */
export function featureStatistics(features: Tensor): FeatureStatistics {
  return unrecorded(() => {
    const rows = featureRows(features, 'featureStatistics');
    const { mean, centred } = centredRows(rows);
    return { count: rows.shape[0]!, mean, covariance: centred.transpose(0, 1).matmul(centred) };
  });
}

/** Returns the mean, and rows minus the mean, divided by √(N − 1): their product with themselves is the covariance. */
function centredRows(rows: Tensor): { mean: Tensor; centred: Tensor } {
  const mean = rows.mean([0]);
  return { mean, centred: rows.sub(mean).div(Math.sqrt(rows.shape[0]! - 1)) };
}

/**
 * Returns the Fréchet distance between two sets of features [N, D] and [M, D], each taken as a normal distribution:
 * ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr √(Σ₁Σ₂), with sample covariances, in float64 on the CPU.
 *
 * With Inception's features it is FID. It falls with the number of images, so that only values from equally many images
 * can be compared; at least D images are needed for covariances of full rank.
 *
 * @throws ShapeError for features of different widths or of fewer than two images; RangeError for NaN or infinity
 *
 * @example
 * ```ts
 * const distance = frechetDistance(torch.randn([100, 8]), torch.randn([100, 8]).add(1)); // about 8
 * ```
 */
export function frechetDistance(featuresA: Tensor, featuresB: Tensor): number {
  return unrecorded(() => {
    const { a, b, width } = featurePair(featuresA, featuresB, 'frechetDistance');
    if (Math.min(a.shape[0]!, b.shape[0]!) >= width) {
      return statisticsDistance(featureStatistics(a), featureStatistics(b));
    }
    // tr √(AᵀA BᵀB) is the sum of the singular values of ABᵀ [N, M]: smaller than covariances, and exact without rank.
    const [first, second] = [centredRows(a), centredRows(b)];
    const root = torch
      .linalgSvdvals(first.centred.matmul(second.centred.transpose(0, 1)))
      .sum()
      .item();
    const traces = first.centred.square().sum().add(second.centred.square().sum()).item();
    return squaredLength(first.mean.sub(second.mean)) + traces - 2 * root;
  });
}

/**
 * Returns the Fréchet distance between two sets of features by their statistics. The square root is that of
 * √Σ₁ Σ₂ √Σ₁, which is symmetric; eigenvalues below zero, which are errors of rounding, count as zero.
 *
 * @throws ShapeError for statistics of different widths
 *
 * @example
 * ```ts
 * const reference = featureStatistics(torch.randn([100, 8]));
 * const distance = statisticsDistance(reference, featureStatistics(torch.randn([100, 8])));
 * ```
 */
export function statisticsDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  if (a.mean.shape.join() !== b.mean.shape.join()) {
    throw new torch.ShapeError(
      `statisticsDistance compares features of the same network, got means [${a.mean.shape.join(', ')}] and [${b.mean.shape.join(', ')}]`,
    );
  }
  return unrecorded(() => {
    const [first, second] = [a, b].map(({ covariance }) => covariance.to('cpu').double()) as [Tensor, Tensor];
    const root = symmetricRoot(first);
    const product = torch.linalgEigvalsh(root.matmul(second).matmul(root));
    const trace = product.clamp(0).sqrt().sum().item();
    const traces = first.trace().add(second.trace()).item();
    return squaredLength(a.mean.sub(b.mean)) + traces - 2 * trace;
  });
}

/** Returns the square root of a symmetric matrix without negative eigenvalues. */
function symmetricRoot(matrix: Tensor): Tensor {
  const [eigenvalues, vectors] = torch.linalgEigh(matrix);
  return vectors.mul(eigenvalues.clamp(0).sqrt()).matmul(vectors.transpose(0, 1));
}

const squaredLength = (vector: Tensor): number => vector.square().sum().item();
