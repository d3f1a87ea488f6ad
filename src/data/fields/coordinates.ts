/** Positions of pixels, the condition of images without any other (paper, section 4.3: unconditional faces and scenes). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Box, Sides } from '../batches/crop.js';
import type { Picture } from '../pictures/picture.js';

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
 * Writes the positions of the pixels of a crop, `[height, width]`, into `target` at `offset`: of the nearest pixels of the
 * box from which it was scaled. Those of a mirrored crop are where the crop lies in the mirrored image, so that they grow
 * to the right in it, too.
 */
export function copyCoordinates(
  picture: Pick<Picture, 'width' | 'height'>,
  box: Box,
  [rows, columns]: Sides,
  flip: boolean,
  target: Float32Array,
  offset: number,
): void {
  const { width, height } = picture;
  const first = flip ? width - box.width - box.left : box.left;
  for (let row = 0; row < rows; row++) {
    const y = box.top + Math.floor(((row + 0.5) * box.height) / rows);
    for (let column = 0; column < columns; column++) {
      const x = first + Math.floor(((column + 0.5) * box.width) / columns);
      target[offset + row * columns + column] = (y * width + x) / (width * height);
    }
  }
}
