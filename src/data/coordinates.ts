/** Positions of pixels, the condition of images without any other (paper, section 4.3: unconditional faces and scenes). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { cornerOf, type Picture, type View } from './picture.js';

/** Field of the positions of an example's pixels in its whole image, under the reference's name. Every image has it. */
export const COORDINATES = 'coord';

/**
 * Returns the positions of an image's pixels: their number in reading order by the number of pixels, float32
 * `[1, 1, height, width]` in [0, 1).
 *
 * @example
 * ```ts
 * const stage = new CoordStage({ nEmbed: 1024, downFactor: 16 });
 * const { indices } = stage.encode(coordinateMap(512, 768)); // [1, 1, 32, 48]
 * ```
 */
export function coordinateMap(height: number, width: number, device: torch.Device = 'cpu'): Tensor {
  const area = height * width;
  return torch.scope(() =>
    torch.arange(area, { dtype: 'float64', device }).div(area).view([1, 1, height, width]).to('float32'),
  );
}

/**
 * Writes the positions of a square crop, `[size, size]`, into `target` at `offset`. Those of a mirrored crop are where the
 * crop lies in the mirrored image, so that they grow to the right in it, too.
 */
export function copyCoordinates(
  picture: Pick<Picture, 'width' | 'height'>,
  size: number,
  view: View,
  target: Float32Array,
  offset: number,
): void {
  const { width, height } = picture;
  const { left, top } = cornerOf(picture, size, view);
  const first = view.flip ? width - size - left : left;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const place = (top + row) * width + first + column;
      target[offset + row * size + column] = place / (width * height);
    }
  }
}
