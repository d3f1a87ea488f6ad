/** Metrics of label maps, such as segmentations. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { Metric } from './metric.js';

/**
 * Counts pairs of a label and its prediction.
 *
 * @param labels int64, any shape
 * @param predicted int64 of the same shape
 * @returns counts [K, K] row by row: entry `label * K + prediction`
 *
 * @example
 * ```ts
 * const labels = torch.tensor([0n, 0n, 1n]);
 * const confusion = confusionOf(labels, torch.tensor([0n, 1n, 1n]), 2); // [1, 1, 0, 1]
 * meanIou(confusion); // 0.5
 * ```
 */
export function confusionOf(labels: Tensor, predicted: Tensor, count: number): Float64Array {
  return torch.scope(() => {
    const pairs = labels.flatten().mul(count).add(predicted.flatten());
    return Float64Array.from(pairs.bincount(null, count * count).tolist() as number[]);
  });
}

/**
 * Returns the share of pixels whose predicted label is right.
 *
 * @example
 * ```ts
 * const confusion = confusionOf(torch.tensor([0n, 0n, 1n, 1n]), torch.tensor([0n, 1n, 1n, 1n]), 2);
 * pixelAccuracy(confusion); // 0.75
 * ```
 */
export function pixelAccuracy(confusion: Float64Array): number {
  const count = Math.sqrt(confusion.length);
  const right = confusion.filter((_, i) => i % (count + 1) === 0);
  return sum(right) / sum(confusion);
}

/**
 * Returns the intersection over union, averaged over the labels that occur or are predicted.
 *
 * @example
 * ```ts
 * const confusion = confusionOf(torch.tensor([0n, 0n, 1n]), torch.tensor([0n, 1n, 1n]), 2);
 * meanIou(confusion); // 0.5: one of two pixels for both labels
 * ```
 */
export function meanIou(confusion: Float64Array): number {
  const count = Math.sqrt(confusion.length);
  const shares: number[] = [];
  for (let label = 0; label < count; label++) {
    const [row, column] = [0, 0].map((_, side) =>
      sum(confusion.filter((__, i) => (side === 0 ? Math.floor(i / count) : i % count) === label)),
    ) as [number, number];
    const both = confusion[label * (count + 1)]!;
    if (row + column > 0) shares.push(both / (row + column - both));
  }
  return sum(shares) / shares.length;
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** Share of held-out pixels with the right label. */
export const pixelAccuracyMetric: Metric = {
  name: 'pixelAccuracy',
  label: 'pixels with the right label',
  short: 'held-out',
  digits: 4,
  better: 'higher',
  curve: { chart: 'held-out label maps', name: 'pixels with the right label' },
  ofConfusion: pixelAccuracy,
};

/** Intersection over union of held-out label maps. */
export const meanIouMetric: Metric = {
  name: 'meanIou',
  label: 'intersection over union, mean over labels',
  short: 'IoU',
  digits: 4,
  better: 'higher',
  curve: { chart: 'held-out label maps', name: 'mean IoU' },
  ofConfusion: meanIou,
};
