/** A map of an image from a file of its own: labels or values, one byte per pixel. */
import { readFile } from 'node:fs/promises';
import { systemPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import { loadSharp } from './sharp.js';

/**
 * Reads the middle of a map, scaled to a size (a number: the side of a square), as bytes [height, width], without mixing neighbouring pixels. The file is a grey
 * image; of an image with equal channels, one is taken.
 *
 * @throws ImageDataError for a file that cannot be read, or has colours
 */
export async function readMapFile(path: string, size: MapSize): Promise<Uint8Array> {
  const grey = greyOf(await readPixels(path, size));
  if (grey !== null) return grey;
  throw new ImageDataError(
    path,
    'has colours, but a map has one value per pixel: save it as a grey image whose pixels are the labels or values',
  );
}

/**
 * Reads the same part of an image with no other pixels than black and white ones, such as drawn edges; null for others.
 *
 * @throws ImageDataError for a file that cannot be read
 */
export async function readBlackAndWhite(path: string, size: MapSize): Promise<Uint8Array | null> {
  const grey = greyOf(await readPixels(path, size));
  return grey?.every((value) => value === 0 || value === 255) === true ? grey : null;
}

/** Side of a square map in pixels, or its height and width. */
type MapSize = number | readonly [height: number, width: number];

/** Pixels of an image, with the channels of each together. */
interface Pixels {
  data: Uint8Array;
  channels: number;
}

async function readPixels(path: string, size: MapSize): Promise<Pixels> {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  const sharp = await loadSharp();
  const file = await readFile(systemPath(path)).catch((cause: Error) => {
    throw new ImageDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const { data, info } = await sharp(file)
    .removeAlpha()
    .resize({ width, height, fit: 'cover', kernel: 'nearest' })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: Error) => {
      throw new ImageDataError(path, `is not an image (${cause.message.split('\n')[0]})`, { cause });
    });
  return { data, channels: info.channels };
}

/** Returns the one value of each pixel; null if an image has colours. */
function greyOf({ data, channels }: Pixels): Uint8Array | null {
  const bytes = Uint8Array.from({ length: data.length / channels }, (_, i) => data[i * channels]!);
  const coloured = data.some((value, i) => value !== bytes[Math.floor(i / channels)]);
  return coloured ? null : bytes;
}
