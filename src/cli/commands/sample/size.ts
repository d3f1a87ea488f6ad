/** The size of the images that `sample` draws, in pixels and in codes. */
import type { TwoStage } from '../../../models/two-stage.js';
import { UsageError } from '../../usage-error.js';

/** Size of the images to draw. */
export interface DrawnSize {
  /** Height and width in pixels. */
  size: [height: number, width: number];
  /** Height and width in codes. */
  grid: [height: number, width: number];
  /** Pixels per code along a side. */
  stride: number;
  /** Side of the window that codes are drawn from; null if the grid is the trained one. */
  window: number | null;
}

/** Width and height in pixels, as flags give them. */
export type PixelSize = readonly [width: number, height: number];

const by = (sides: readonly number[]) => sides.join('x');

/** Returns the pixels per code of a model's images. */
export function strideOf({ firstStageModel: first }: TwoStage): number {
  return first.stride ?? 16;
}

/**
 * Returns the size of the images to draw: `wanted` pixels, or the trained size.
 *
 * @param trained side of the training images in pixels
 * @param flag names the size in errors
 * @throws UsageError if a side is not a multiple of the stride, or smaller than the trained one
 */
export function drawnSize(
  model: TwoStage,
  trained: number,
  wanted: PixelSize | undefined,
  flag = '--size',
): DrawnSize {
  const stride = strideOf(model);
  const side = Math.round(trained / stride);
  const [width, height] = wanted ?? [side * stride, side * stride];
  const nearest = [width, height].map((pixels) => Math.max(side, Math.round(pixels / stride)) * stride);
  if (width % stride !== 0 || height % stride !== 0) {
    throw new UsageError(
      `${flag} ${by([width, height])}: both sides must be multiples of ${stride}, the pixels of a code; the nearest size is ${by(nearest)}`,
    );
  }
  if (Math.min(width, height) < side * stride) {
    throw new UsageError(
      `${flag} ${by([width, height])} is smaller than the ${trained} × ${trained} pixels that the model was trained on; the nearest size is ${by(nearest)}`,
    );
  }
  const grid: [number, number] = [height / stride, width / stride];
  const own = grid[0] === side && grid[1] === side;
  return { size: [height, width], grid, stride, window: own ? null : side };
}
