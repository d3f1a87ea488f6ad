import { imageGrid, type PackedImage } from '../data/image-grid.js';
import { loadSharp } from '../data/sharp.js';
import { writeAtomically } from '../files/atomic-file.js';
import type { Tensor } from '../torch/index.js';

/**
 * Images decoded from ids, as a tensor, as PNG bytes or as files.
 *
 * @example
 * ```ts
 * using tokenizer = await ImageTokenizer.open('runs/vqgan');
 * const decoded: DecodedImages = tokenizer.decode(torch.zeros([2, 16, 16], { dtype: 'int64' }));
 * await decoded.save('second.png', 1);
 * ```
 */
export class DecodedImages {
  /** float32 [B, C, H, W] on the CPU, about in [-1, 1]: the decoder does not limit its output. */
  readonly images: Tensor;

  constructor(images: Tensor) {
    this.images = images;
  }

  /** Number of images. */
  get length(): number {
    return this.images.shape[0]!;
  }

  /**
   * Returns an image as the bytes of a PNG, its values limited to [-1, 1].
   *
   * @param index of the image; default 0
   * @throws RangeError for an index without an image; ShapeError if the images are neither RGB nor grey
   */
  async png(index = 0): Promise<Uint8Array> {
    const { width, height, pixels } = this.#pixels(index);
    const sharp = await loadSharp();
    return sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
  }

  /**
   * Writes an image as a PNG, which appears under its name only when complete.
   *
   * @param index of the image; default 0
   */
  async save(path: string, index = 0): Promise<void> {
    await writeAtomically(path, await this.png(index));
  }

  #pixels(index: number): PackedImage {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`there is no image ${index}; the images are 0 to ${this.length - 1}`);
    }
    return imageGrid(this.images.narrow(0, index, 1));
  }
}
