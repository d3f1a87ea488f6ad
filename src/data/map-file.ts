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
export async function readMapFile(
  path: string,
  size: number | readonly [height: number, width: number],
): Promise<Uint8Array> {
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
  const { channels } = info;
  const bytes = Uint8Array.from({ length: height * width }, (_, i) => data[i * channels]!);
  const coloured = bytes.findIndex((value, i) =>
    Array.from({ length: channels }, (_, c) => data[i * channels + c]).some((other) => other !== value),
  );
  if (coloured < 0) return bytes;
  throw new ImageDataError(
    path,
    'has colours, but a map has one value per pixel: save it as a grey image whose pixels are the labels or values',
  );
}
