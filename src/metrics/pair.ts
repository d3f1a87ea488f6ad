/** Two batches of images that are compared image by image. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Options of how the values of images are read. */
export interface RangeOptions {
  /**
   * Span of the values: 1 for images in [0, 1], 2 in [−1, 1], 255 for bytes; values are taken as they are. Default:
   * images in [−1, 1], and values outside are clamped.
   */
  range?: number;
}

/** Span of images in [−1, 1]. */
const SPAN = 2;

/**
 * Checks two batches [B, C, H, W] of one shape and returns them with the span of their values. Integers become float64.
 *
 * @param owner name for errors
 */
export function imagePair(
  a: Tensor,
  b: Tensor,
  { range }: RangeOptions,
  owner: string,
): { a: Tensor; b: Tensor; range: number } {
  if (a.ndim !== 4 || a.shape.join() !== b.shape.join()) {
    throw new torch.ShapeError(
      `${owner} compares two batches [B, C, H, W] of the same shape, got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
    );
  }
  if (range === undefined) return { a: floating(a).clamp(-1, 1), b: floating(b).clamp(-1, 1), range: SPAN };
  if (!(range > 0 && Number.isFinite(range))) {
    throw new RangeError(
      `range is the span of the values, a positive number such as 1, 2 or 255; got ${range}`,
    );
  }
  return { a: floating(a), b: floating(b), range };
}

function floating(images: Tensor): Tensor {
  return images.isFloatingPoint() ? images : images.double();
}
