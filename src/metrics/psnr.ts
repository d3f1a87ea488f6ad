import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Metric } from './metric.js';
import { imagePair, type RangeOptions } from './pair.js';

/** Returns `psnr` of each image as a tensor [B] on the images' device. */
export function psnrTensor(first: Tensor, second: Tensor, options: RangeOptions = {}): Tensor {
  return unrecorded(() => {
    const { a, b, range } = imagePair(first, second, options, 'psnr');
    return decibels(a.sub(b).square().mean([1, 2, 3]), range); // [B]
  });
}

/** Returns 10·log₁₀(range² / error). */
function decibels(error: Tensor, range: number): Tensor {
  return error
    .mul(1 / range ** 2)
    .log10()
    .mul(-10);
}

/**
 * Returns the peak signal-to-noise ratio of each image in decibels: 10·log₁₀(range² / mean squared error). Takes two
 * batches [B, C, H, W]. Equal images have Infinity.
 *
 * Without `range`, images are in [−1, 1], and values outside it are clamped.
 *
 * @example
 * ```ts
 * const image = torch.rand([2, 3, 64, 64]);
 * const decibels = psnr(image, image.add(0.01), { range: 1 }); // two numbers, about 40
 * const ofAll = psnr(image, image.add(0.01), { range: 1, pooled: true }); // of the error over both images
 * ```
 */
export function psnr(a: Tensor, b: Tensor, options?: RangeOptions & { pooled?: false }): number[];
export function psnr(a: Tensor, b: Tensor, options: RangeOptions & { pooled: true }): number;
export function psnr(
  first: Tensor,
  second: Tensor,
  { pooled = false, ...options }: RangeOptions & { pooled?: boolean } = {},
): number | number[] {
  return unrecorded(() => {
    if (!pooled) return psnrTensor(first, second, options).tolist() as number[];
    const { a, b, range } = imagePair(first, second, options, 'psnr');
    return decibels(a.sub(b).square().mean(), range).item();
  });
}

/** PSNR of reconstructions. */
export const psnrMetric: Metric = {
  name: 'psnr',
  label: 'PSNR of reconstructions',
  short: 'held-out',
  unit: 'dB',
  digits: 2,
  better: 'higher',
  curve: { chart: 'held-out reconstructions, PSNR in dB', name: 'held-out' },
  protocol: { range: 2, clamped: true, average: 'images' },
  ofImages: ({ images, reconstruction }) => psnrTensor(reconstruction, images),
};
