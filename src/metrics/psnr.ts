import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { Metric } from './metric.js';

/**
 * Returns the peak signal-to-noise ratio of each image in decibels: 10·log₁₀(4 / mean squared error) for images in
 * [−1, 1], whose values span 2. Takes two batches `[B, C, H, W]`, and clamps values outside the range. Returns `[B]`,
 * infinite for equal images.
 *
 * @example
 * ```ts
 * const image = torch.rand([2, 3, 64, 64]).mul(2).sub(1);
 * const decibels = psnr(image, image.add(0.01).clamp(-1, 1)); // [2]
 * ```
 */
export function psnr(a: Tensor, b: Tensor): Tensor {
  if (a.ndim !== 4 || a.shape.join() !== b.shape.join()) {
    throw new torch.ShapeError(
      `psnr compares two batches [B, C, H, W] of the same shape, got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
    );
  }
  return torch.noGrad(() =>
    torch.scope(() => {
      const error = a.clamp(-1, 1).sub(b.clamp(-1, 1)).square().mean([1, 2, 3]); // [B]
      return error.mul(0.25).log10().mul(-10);
    }),
  );
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
  ofImages: ({ images, reconstruction }) => psnr(reconstruction, images),
};
