/** Nearest neighbours of features, which show generated images that are copies of training images. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featurePair, featureRows } from './features.js';
import { eachBlock, joined, neighbourRadii } from './row-distances.js';

/** The nearest row for each row. */
export interface Nearest {
  /** Euclidean distance to the nearest row. */
  distances: number[];
  /** Number of that row. */
  rows: number[];
}

/**
 * Returns, for each row of features [N, D], the nearest row of a reference [M, D], in float64 on the CPU. Distances are
 * those of the rows themselves: equal rows have 0.
 *
 * @throws ShapeError for features of different widths
 *
 * @example
 * ```ts
 * const training = torch.randn([50, 8]);
 * const { distances, rows } = nearestNeighbours(training.narrow(0, 7, 1), training); // [0], [7]
 * ```
 */
export function nearestNeighbours(features: Tensor, reference: Tensor): Nearest {
  return unrecorded(() => {
    const { a, b } = featurePair(features, reference, 'nearestNeighbours', 1);
    const found: Tensor[] = [];
    eachBlock(a, b, (squared) => void found.push(torch.keep(squared.argmin(1))));
    const rows = joined(found);
    // Again from differences: squared lengths leave an error where rows are nearly equal.
    const distances = torch.linalgVectorNorm(a.sub(b.indexSelect(0, rows)), 2, [1]);
    return {
      distances: distances.tolist() as number[],
      rows: Array.from(rows.toTypedArray() as BigInt64Array, Number),
    };
  });
}

export interface Memorisation extends Nearest {
  /** Median of the distances to the nearest training image. */
  median: number;
  /** The same of held-out images, with which `median` compares; null without them. */
  medianHeldOut: number | null;
  /**
   * Share of generated images nearer to a training image than all but a hundredth of the held-out ones, about 0.01 for a
   * model that does not copy; null without held-out images.
   */
  copied: number | null;
  /**
   * Share of generated images that are farther from their nearest training image than this is from its own nearest
   * (authenticity, arXiv 2102.08921).
   */
  authenticity: number;
}

/** Share of held-out images that count as near. */
export const NEAR = 0.01;

/**
 * Compares generated images with their nearest training images, by features [N, D] and [M, D], in float64 on the CPU.
 * Held-out images, which no model has seen, show which distances are usual.
 *
 * @param options.heldOut features [L, D] of held-out images. Default: none
 *
 * @example
 * ```ts
 * const [generated, training, heldOut] = [torch.randn([20, 8]), torch.randn([50, 8]), torch.randn([30, 8])];
 * const { copied, rows } = memorisation(generated, training, { heldOut });
 * ```
 */
export function memorisation(
  generated: Tensor,
  training: Tensor,
  { heldOut }: { heldOut?: Tensor } = {},
): Memorisation {
  const nearest = nearestNeighbours(generated, training);
  const { distances, rows } = nearest;
  const usual = heldOut ? nearestNeighbours(heldOut, training).distances : null;
  const own = unrecorded(
    () => neighbourRadii(featureRows(training, 'memorisation'), 1).sqrt().tolist() as number[],
  );
  const authentic = distances.filter((distance, i) => distance > own[rows[i]!]!).length;
  return {
    ...nearest,
    median: quantile(distances, 0.5),
    medianHeldOut: usual && quantile(usual, 0.5),
    copied: usual && shareBelow(distances, quantile(usual, NEAR)),
    authenticity: authentic / distances.length,
  };
}

/** Returns the share of values that are smaller than a limit. */
export const shareBelow = (values: readonly number[], limit: number): number =>
  values.filter((value) => value < limit).length / values.length;

/** Returns the quantile of at least one value, interpolated between neighbours. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place % 1);
}
