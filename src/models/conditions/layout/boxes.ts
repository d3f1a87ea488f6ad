/** Arithmetic of rectangles in an image, in the reference's order of operations, which decides how they are rounded. */

/** Left edge, upper edge, width and height of a rectangle, in shares of the image's width and height. */
export type BoundingBox = readonly [x: number, y: number, width: number, height: number];

/** The whole image. */
export const FULL_CROP: BoundingBox = [0, 0, 1, 1];

/**
 * Returns the area that two rectangles share; 0 if they only touch.
 *
 * @example
 * ```ts
 * intersectionArea([0, 0, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5]); // 0.0625
 * ```
 */
export function intersectionArea(a: BoundingBox, b: BoundingBox): number {
  const shared = (at: 0 | 1) =>
    Math.max(0, Math.min(a[at] + a[at + 2]!, b[at] + b[at + 2]!) - Math.max(a[at], b[at]));
  return shared(0) * shared(1);
}

/** Returns the rectangle in the image mirrored left to right. */
export function horizontallyFlipBbox([x, y, width, height]: BoundingBox): BoundingBox {
  return [1 - (x + width), y, width, height];
}

/**
 * Returns left, upper, right and lower edge in whole pixels of an image, rounded towards 0.
 *
 * @example
 * ```ts
 * absoluteBbox([0.25, 0.5, 0.25, 0.25], 64, 64); // [16, 32, 32, 48]
 * ```
 */
export function absoluteBbox(
  [x, y, boxWidth, boxHeight]: BoundingBox,
  width: number,
  height: number,
): [left: number, top: number, right: number, bottom: number] {
  const edges = [x * width, y * height, (x + boxWidth) * width, (y + boxHeight) * height] as const;
  return [Math.trunc(edges[0]), Math.trunc(edges[1]), Math.trunc(edges[2]), Math.trunc(edges[3])];
}

/**
 * Returns the largest square in the middle of an image of the given pixels.
 *
 * @example
 * ```ts
 * centerCropBbox(200, 100); // [0.25, 0, 0.5, 1]
 * ```
 */
export function centerCropBbox(width: number, height: number): BoundingBox {
  const [w, h] = width > height ? [height / width, 1] : [1, width / height];
  return width > height ? [0.5 - w / 2, 0, w, h] : [0, 0.5 - h / 2, w, h];
}

const clamp = (value: number) => Math.max(Math.min(value, 1), 0);

/**
 * Returns a rectangle of the image as a rectangle of the crop, mirrored if `flip`. As in the reference, one that extends
 * beyond the crop's left or upper edge keeps its whole width or height, as far as the crop reaches.
 *
 * @example
 * ```ts
 * rescaleBbox([0.5, 0.5, 0.25, 0.25], centerCropBbox(200, 100)); // [0.5, 0.5, 0.5, 0.25]
 * ```
 */
export function rescaleBbox(box: BoundingBox, crop: BoundingBox, flip = false): BoundingBox {
  const x = clamp((box[0] - crop[0]) / crop[2]);
  const y = clamp((box[1] - crop[1]) / crop[3]);
  const rescaled: BoundingBox = [x, y, Math.min(box[2] / crop[2], 1 - x), Math.min(box[3] / crop[3], 1 - y)];
  return flip ? horizontallyFlipBbox(rescaled) : rescaled;
}
