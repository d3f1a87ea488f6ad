import { ShapeError, type Tensor } from '../../torch/index.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { checkIntegers } from '../checks.js';
import { sharpOf } from './sharp.js';

export interface ImageGridOptions {
  /** Images per row; default: about as many as rows. */
  columns?: number;
  /** Pixels between images, default 2. */
  gap?: number;
  /** Factor to enlarge every image by, without smoothing; default 1. */
  scale?: number;
  /** White pixels below every image, for a caption; default 0. */
  margin?: number;
}

export interface PackedImage {
  width: number;
  height: number;
  /** RGB bytes, [height, width, 3]. */
  pixels: Uint8Array;
}

/**
 * Arranges images [N, C, H, W] in [−1, 1] (C 1 or 3; other values are clamped) in rows on white.
 * @throws ShapeError for any other shape
 *
 * @example
 * ```ts
 * const { width, height, pixels } = imageGrid(torch.zeros([4, 3, 64, 64]), { columns: 2 });
 * ```
 */
export function imageGrid(
  images: Tensor,
  { columns, gap = 2, scale = 1, margin = 0 }: ImageGridOptions = {},
): PackedImage {
  const [count = 0, channels = 0, rows = 0, cols = 0] = images.shape;
  if (images.ndim !== 4 || (channels !== 1 && channels !== 3) || count === 0) {
    throw new ShapeError(
      `an image grid needs images [N, 3, H, W] or [N, 1, H, W] with N at least 1, got [${images.shape.join(', ')}]`,
    );
  }
  const across = columns ?? Math.ceil(Math.sqrt(count));
  checkIntegers('grid option', {
    columns: [across, 1],
    gap: [gap, 0],
    scale: [scale, 1],
    margin: [margin, 0],
  });
  const values = images.detach().to('cpu').to('float32').contiguous().toTypedArray() as Float32Array;
  const down = Math.ceil(count / across);
  const width = across * (cols * scale + gap) - gap;
  const height = down * (rows * scale + margin + gap) - gap;
  const pixels = new Uint8Array(width * height * 3).fill(255);
  for (let n = 0; n < count; n++) {
    const left = (n % across) * (cols * scale + gap);
    const top = Math.floor(n / across) * (rows * scale + margin + gap);
    for (let y = 0; y < rows * scale; y++) {
      for (let x = 0; x < cols * scale; x++) {
        const from = Math.floor(y / scale) * cols + Math.floor(x / scale);
        for (let c = 0; c < 3; c++) {
          const plane = (n * channels + (channels === 1 ? 0 : c)) * rows * cols;
          const value = (values[plane + from] as number) * 127.5 + 127.5;
          pixels[((top + y) * width + left + x) * 3 + c] = Math.round(Math.min(255, Math.max(0, value)));
        }
      }
    }
  }
  return { width, height, pixels };
}

/**
 * Writes images [N, C, H, W] in [−1, 1] as one PNG; the file appears under its name only when complete.
 *
 * @example
 * ```ts
 * await saveImageGrid('grid.png', torch.rand([8, 3, 64, 64]).mul(2).sub(1), { columns: 4 });
 * ```
 */
export async function saveImageGrid(
  path: string,
  images: Tensor,
  options: ImageGridOptions = {},
): Promise<void> {
  await savePixels(path, imageGrid(images, options));
}

/** Additional content of a PNG. */
export interface PngExtras {
  /** Drawing over the pixels, of the same size. Default: none. */
  svg?: string | null;
  /** EXIF fields, in ASCII. Default: none. */
  exif?: Record<string, string>;
}

/** Writes pixels as one PNG; the file appears under its name only when complete. */
export async function savePixels(
  path: string,
  picture: PackedImage,
  { svg, exif }: PngExtras = {},
): Promise<void> {
  const plain = await sharpOf(picture);
  const image = svg ? plain.composite([{ input: Buffer.from(svg) }]).removeAlpha() : plain;
  // In memory first: libvips hardly explains why a file cannot be written.
  const png = await (exif ? image.withExif({ IFD0: exif }) : image).png().toBuffer();
  await writeAtomically(path, png);
}
