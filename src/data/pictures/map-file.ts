/** A map of an image from a file of its own: labels or values, one byte per pixel. */
import { readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { systemPath } from '../../files/file-names.js';
import type { MapKind } from '../fields/example.js';
import { ImageDataError } from '../image-error.js';
import { bytesOfArray, isNpy, readArray, type ArrayPixels } from './npy-samples.js';
import { readWhole } from './read-whole.js';
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
 * Reads the map of an image, scaled and cropped like the image, as bytes [height, width]: a grey image or a NumPy array
 * with the proportions of the image.
 *
 * @param whole width and height of the image in pixels
 * @throws ImageDataError for a file that cannot be read, has colours, other proportions, or labels without a name
 */
export async function readMapOf(
  whole: { width: number; height: number },
  path: string,
  [height, width]: readonly [height: number, width: number],
  { labels }: MapKind,
): Promise<Uint8Array> {
  const file = await readWhole(path);
  const sharp = await loadSharp();
  const array = isNpy(file) ? readArray(path, file) : null;
  const found = array ?? (await sharp(file).metadata().catch(notAnImage(path)));
  checkProportions(path, whole, found);
  if (labels && 'depth' in found && found.depth !== 'uchar') {
    throw new ImageDataError(
      path,
      `has samples of the type ${found.depth}, but labels are bytes: save it with 8 bits`,
    );
  }
  const image = array ? sharp(...rawOf(path, array, labels !== undefined)) : sharp(file);
  const grey = greyOf(await scaledPixels(image, [height, width]).catch(notAnImage(path)));
  if (grey === null) throw new ImageDataError(path, 'has colours, but a map has one value per pixel');
  const largest = grey.reduce((most, value) => Math.max(most, value), 0);
  if (labels && largest >= labels.length) {
    throw new ImageDataError(path, `has the label ${largest}, but ${labels.length} labels are named, from 0`);
  }
  return grey;
}

function rawOf(path: string, array: ArrayPixels, isLabels: boolean) {
  const { width, height, channels } = array;
  const bytes = isLabels ? labelsOfArray(path, array) : bytesOfArray(path, array);
  return [bytes, { raw: { width, height, channels } }] as const;
}

/** Returns labels as bytes. @throws ImageDataError for values that are not labels */
function labelsOfArray(path: string, { values }: ArrayPixels): Uint8Array {
  const wrong = values.find((value) => !(Number.isInteger(value) && value >= 0 && value <= 255));
  if (wrong === undefined) return Uint8Array.from(values);
  throw new ImageDataError(path, `has the label ${wrong}; labels are whole numbers from 0 to 255`);
}

/** Checks that a map covers the same part as its image: up to a pixel of the smaller one. */
function checkProportions(
  path: string,
  image: { width: number; height: number },
  map: { width: number; height: number },
): void {
  const least = Math.min(image.width, image.height, map.width, map.height);
  const ratio = (image.width * map.height) / (image.height * map.width);
  if (Math.abs(Math.log(ratio)) <= 1 / least) return;
  throw new ImageDataError(
    path,
    `has ${map.width} × ${map.height} pixels, other proportions than its image of ${image.width} × ${image.height}`,
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
  const sharp = await loadSharp();
  const file = await readFile(systemPath(path)).catch((cause: Error) => {
    throw new ImageDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  return scaledPixels(sharp(file), size).catch(notAnImage(path));
}

async function scaledPixels(image: Sharp, size: MapSize): Promise<Pixels> {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  const { data, info } = await image
    .removeAlpha()
    .resize({ width, height, fit: 'cover', kernel: 'nearest' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, channels: info.channels };
}

const notAnImage = (path: string) => (cause: Error) => {
  throw new ImageDataError(path, `is not an image (${cause.message.split('\n')[0]})`, { cause });
};

/** Returns the one value of each pixel; null if an image has colours. */
function greyOf({ data, channels }: Pixels): Uint8Array | null {
  const bytes = Uint8Array.from({ length: data.length / channels }, (_, i) => data[i * channels]!);
  const coloured = data.some((value, i) => value !== bytes[Math.floor(i / channels)]);
  return coloured ? null : bytes;
}
