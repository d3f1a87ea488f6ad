import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Metric } from './metric.js';
import { psnrTensor } from './psnr.js';

/**
 * Replaces every block of `block` × `block` pixels of images [B, C, H, W] with its mean colour: the output of a decoder
 * that knows only one exact colour per code.
 *
 * @example
 * ```ts
 * const blocks = meanColourBlocks(torch.rand([4, 3, 64, 64]), 16); // [4, 3, 64, 64]
 * ```
 */
export function meanColourBlocks(images: Tensor, block: number): Tensor {
  const [, , height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || height % block !== 0 || width % block !== 0) {
    throw new torch.ShapeError(
      `meanColourBlocks takes images [B, C, H, W] with sides that are multiples of ${block}, got [${images.shape.join(', ')}]`,
    );
  }
  return unrecorded(() => {
    const means = images.avgPool2d([block, block], [block, block]); // [B, C, H / block, W / block]
    return means.repeatInterleave(block, 2).repeatInterleave(block, 3);
  });
}

/** PSNR of `meanColourBlocks`, a baseline for reconstructions. */
export const meanColourPsnr: Metric = {
  name: 'meanColourPsnr',
  label: 'PSNR of images with every block in its mean colour',
  short: 'mean colour',
  unit: 'dB',
  digits: 2,
  atEnd: true,
  level: { of: 'psnr', name: 'mean colour of each block' },
  ofImages: ({ images, stride }) => psnrTensor(meanColourBlocks(images, stride), images),
};
