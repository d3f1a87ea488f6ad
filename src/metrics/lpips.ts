import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Metric, PerceptualDistance, Reconstructions } from './metric.js';
import { imagePair } from './pair.js';

/**
 * Returns LPIPS of each pair of images, a tensor [B] on their device. Takes two batches [B, C, H, W] in [−1, 1]; values
 * outside are clamped.
 *
 * @param distance an `LPIPS` with its weights
 */
export function lpipsTensor(distance: PerceptualDistance, first: Tensor, second: Tensor): Tensor {
  return unrecorded(() => {
    const { a, b } = imagePair(first, second, {}, 'lpips');
    return distance(a, b).flatten(); // [B]
  });
}

/** LPIPS of reconstructions; only where its weights are given. */
export const lpipsMetric = {
  name: 'lpips',
  label: 'LPIPS of reconstructions',
  short: 'LPIPS',
  digits: 4,
  better: 'lower',
  atEnd: true,
  protocol: { network: 'VGG16, weightings 0.1', clamped: true, average: 'images' },
  ofImages: ({ images, reconstruction, perceptual }: Reconstructions): Tensor | null =>
    perceptual ? lpipsTensor(perceptual, reconstruction, images) : null,
} satisfies Metric;
