/** Finds copies of training images among generated ones: compares their distances with those of held-out images. */
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Shown } from './metric.js';
import { NEAR, quantile, shareBelow } from './nearest-neighbours.js';
import type { Protocol } from './protocol.js';

/** Definitions, in the order in which they are reported. */
export const copyMetrics: readonly Shown[] = [
  { name: 'toTraining', label: 'distance to the nearest training image, median', digits: 4 },
  { name: 'heldOutToTraining', label: 'the same of held-out images', digits: 4 },
  { name: 'near', label: 'the same of held-out images, 1st percentile', digits: 4 },
  { name: 'copied', label: 'share nearer than that', digits: 4, better: 'lower' },
];

/**
 * Returns the values of `copyMetrics` by name, from the distances of images to their nearest training image. Without
 * held-out images only the median.
 */
export function copyFigures(
  distances: readonly number[],
  heldOut: readonly number[] | null,
): Record<string, number> {
  const figures = { toTraining: quantile(distances, 0.5) };
  if (!heldOut) return figures;
  const near = quantile(heldOut, NEAR);
  return { ...figures, heldOutToTraining: quantile(heldOut, 0.5), near, copied: shareBelow(distances, near) };
}

/** Most pixels per side that are compared. */
const SIDE = 32;

/** Conditions that distances of `pixelFeatures` depend on. */
export const pixelProtocol: Protocol = {
  network: `none: pixels in [−1, 1], averaged to at most ${SIDE} × ${SIDE}`,
  distance: 'root mean square',
};

/**
 * Returns features [B, D] of images [B, C, H, W] in [−1, 1] that need no network: their pixels, averaged to 32 × 32. The
 * distance of two rows is the root mean square of their differences.
 */
export function pixelFeatures(images: Tensor): Tensor {
  return unrecorded(() => {
    const [height, width] = images.shape.slice(2).map((side) => Math.min(side, SIDE)) as [number, number];
    const rows = images.clamp(-1, 1).adaptiveAvgPool2d([height, width]).flatten(1); // [B, C · h · w]
    return rows.div(Math.sqrt(rows.shape[1]!)).to('cpu').float();
  });
}
