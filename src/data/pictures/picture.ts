import type { PlacedObject } from '../fields/layout.js';

export interface Picture {
  width: number;
  height: number;
  /** RGB bytes, [height, width, 3]. */
  pixels: Uint8Array;
  /** Maps of the image by field, one byte per pixel, [height, width]. */
  maps?: Readonly<Record<string, Uint8Array>>;
  objects?: readonly PlacedObject[];
}

/** Position of a square crop, and whether it is mirrored. */
export interface View {
  /** From 0 (left edge) to 1 (right edge); 0.5 is the middle. */
  x: number;
  /** From 0 (upper edge) to 1 (lower edge). */
  y: number;
  /** True to mirror left and right. */
  flip: boolean;
  /** Returns the part of an image to be scaled to the crop, instead of `x` and `y`. */
  part?: (width: number, height: number) => { left: number; top: number; width: number; height: number };
}

export const centreView: Readonly<View> = { x: 0.5, y: 0.5, flip: false };

/** Returns the left and upper edge of a crop of `sides`, height and width, in pixels. */
export function cornerOf(
  { width, height }: Pick<Picture, 'width' | 'height'>,
  [rows, columns]: readonly [height: number, width: number],
  view: View,
): { left: number; top: number } {
  if (width < columns || height < rows) {
    throw new RangeError(
      `an image of ${width} × ${height} pixels is too small for a crop of ${columns} × ${rows}`,
    );
  }
  // Uniform over all crop positions, for a uniform x in [0, 1).
  return {
    left: Math.min(width - columns, Math.floor(view.x * (width - columns + 1))),
    top: Math.min(height - rows, Math.floor(view.y * (height - rows + 1))),
  };
}

/** Converts grey bytes [height, width] to RGB. */
export function greyToRgb(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (const [i, value] of grey.entries()) rgb.fill(value, i * 3, i * 3 + 3);
  return rgb;
}

/** Converts RGB bytes to grey: luma by ITU-R BT.601, which leaves grey unchanged. */
export function rgbToGrey(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const [red = 0, green = 0, blue = 0] = [rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]];
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16; // The weights sum to 2¹⁶.
  }
  return grey;
}
