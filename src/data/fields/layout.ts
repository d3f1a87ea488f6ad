/** Layouts of images: their objects, each with its class and its box. */
import type { Box } from '../batches/crop.js';
import type { Picture } from '../pictures/picture.js';

/** Field of an example's layout. */
export const LAYOUT = 'layout';

/** An object of an image. */
export interface PlacedObject {
  /** Number of its class. */
  category: number;
  /** Left, upper edge, width and height of its visible box, in shares of the image's width and height. */
  box: readonly [x: number, y: number, width: number, height: number];
}

/** Properties that the layouts of a store's images have in common. */
export interface LayoutKind {
  /** Names of the objects' classes. */
  classes: readonly string[];
  /** Largest number of objects in an image. */
  most: number;
}

/** Numbers of an object in a layout, and of the view in its first row. */
export const LAYOUT_WIDTH = 5;

/**
 * Returns the layout of a crop as rows of five numbers, `[1 + most, 5]`: first the view (1 if it is mirrored, and
 * the crop's box), then each object of the whole image (its class and its box); the class of missing objects is −1.
 */
export function layoutRows(picture: Picture, box: Box, flip: boolean, { most }: LayoutKind): Float64Array {
  const { width, height, objects = [] } = picture;
  const rows = new Float64Array((1 + most) * LAYOUT_WIDTH);
  rows.set([flip ? 1 : 0, box.left / width, box.top / height, box.width / width, box.height / height]);
  for (let i = 0; i < most; i++) {
    const object = objects[i];
    rows.set(object ? [object.category, ...object.box] : [-1, 0, 0, 0, 0], (1 + i) * LAYOUT_WIDTH);
  }
  return rows;
}
