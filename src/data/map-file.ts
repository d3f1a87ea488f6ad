/** A map of an image from a file of its own: labels or values, one byte per pixel. */
import { readFile } from 'node:fs/promises';
import { systemPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import { loadSharp } from './sharp.js';

/**
 * Reads the central square of a map as bytes [size, size], without mixing neighbouring pixels. The file is a grey
 * image; of an image with equal channels, one is taken.
 *
 * @throws ImageDataError for a file that cannot be read, or has colours
 */
export async function readMapFile(path: string, size: number): Promise<Uint8Array> {
  const grey = greyOf(await readSquare(path, size));
  if (grey !== null) return grey;
  throw new ImageDataError(
    path,
    'has colours, but a map has one value per pixel: save it as a grey image whose pixels are the labels or values',
  );
}

/**
 * Reads the same square of an image with no other pixels than black and white ones, such as drawn edges; null for others.
 *
 * @throws ImageDataError for a file that cannot be read
 */
export async function readBlackAndWhite(path: string, size: number): Promise<Uint8Array | null> {
  const grey = greyOf(await readSquare(path, size));
  return grey?.every((value) => value === 0 || value === 255) === true ? grey : null;
}

/** Pixels of a square image, channel by channel. */
interface Square {
  data: Uint8Array;
  channels: number;
}

async function readSquare(path: string, size: number): Promise<Square> {
  const sharp = await loadSharp();
  const file = await readFile(systemPath(path)).catch((cause: Error) => {
    throw new ImageDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const { data, info } = await sharp(file)
    .removeAlpha()
    .resize({ width: size, height: size, fit: 'cover', kernel: 'nearest' })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: Error) => {
      throw new ImageDataError(path, `is not an image (${cause.message.split('\n')[0]})`, { cause });
    });
  return { data, channels: info.channels };
}

/** Returns the one value of each pixel; null if an image has colours. */
function greyOf({ data, channels }: Square): Uint8Array | null {
  const bytes = Uint8Array.from({ length: data.length / channels }, (_, i) => data[i * channels]!);
  const coloured = data.some((value, i) => value !== bytes[Math.floor(i / channels)]);
  return coloured ? null : bytes;
}
