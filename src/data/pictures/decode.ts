import { readFileSync } from 'node:fs';
import type { Sharp } from 'sharp';
import { systemPath } from '../../files/file-names.js';
import { decodeFloats, measureFloats } from './float-samples.js';
import { ImageDataError } from '../image-error.js';
import { bytesOfArray, isNpy, readArray } from './npy-samples.js';
import { greyToRgb, type Picture } from './picture.js';
import { readWhole } from './read-whole.js';
import { loadSharp } from './sharp.js';
import { hasSpareBand, readTiffTags, tiffFault, type FloatSamples, type TiffTags } from './tiff-samples.js';

/** Images with more pixels than this (8192 × 8192) are rejected before anything is decoded. */
export const maxPixels = 2 ** 26;

/** Images with a larger aspect ratio than this are cropped to their middle part. */
const maxAspect = 4;

/** Extensions by which images are found; the format is detected from the first bytes. */
export const pictureExtensions: ReadonlySet<string> = new Set(
  '.jpg .jpeg .jpe .jfif .jif .jfi .pjpeg .pjp .png .apng .webp .avif .avifs .gif .tif .tiff'.split(' '),
);

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff' | 'npy';

/** Detects the format from a file's first bytes; null if it is not supported. */
export function sniffFormat(bytes: Uint8Array): PictureFormat | null {
  const text = Buffer.from(bytes.subarray(0, 64)).toString('latin1');
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return 'webp';
  if (text.startsWith('GIF8')) return 'gif';
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) return 'tiff';
  if (text.startsWith('ftyp', 4) && /avi[fs]/.test(text.slice(8))) return 'avif';
  return null;
}

/** Special treatment for samples that the decoder would misinterpret. */
export type Samples =
  /** None. */
  | 'usual'
  /** Drop the last band, which is neither colour nor transparency. */
  | 'spare band'
  /** Those of a NumPy array, which the decoder does not read. */
  | 'array'
  | FloatSamples;

/** Scaling of an image to other proportions: cropped at its centre, or each side on its own. */
export type Scaling = 'cover' | 'fill';

export interface PictureHeader {
  format: PictureFormat;
  /** Pixels after rotation by the EXIF orientation. */
  width: number;
  height: number;
  /** Absent if they are usual. */
  samples?: Exclude<Samples, 'usual'>;
}

/**
 * Reads an image's header from the file's bytes without decoding the image, except for floating point samples, whose
 * range is known only from all of them.
 * @throws ImageDataError for a file that is not an image, is too large, or has an unsupported format or kind of samples
 */
export async function readHeader(path: string, bytes: Uint8Array): Promise<PictureHeader> {
  if (bytes.length === 0) throw new ImageDataError(path, 'the file is empty');
  if (isNpy(bytes)) return headerOfArray(path, bytes);
  const format = sniffFormat(bytes);
  if (format === null) {
    throw new ImageDataError(path, 'this is not a JPEG, PNG, WebP, AVIF, GIF or TIFF, despite its extension');
  }
  const sharp = await loadSharp();
  // Before the decoder's own error, which does not say what to do.
  checkSamples(path, bytes);
  const { autoOrient, channels } = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw new ImageDataError(path, `its header cannot be read (${firstLine(cause)})`, { cause });
    });
  if (channels > 5) throw new ImageDataError(path, `it has ${channels} bands; at most 5 are supported`);
  const { width, height } = autoOrient;
  checkPixels(path, width, height);
  const samples = await samplesOf(path, bytes);
  return { format, width, height, ...(samples !== 'usual' && { samples }) };
}

function headerOfArray(path: string, bytes: Uint8Array): PictureHeader {
  const array = readArray(path, bytes);
  checkPixels(path, array.width, array.height);
  bytesOfArray(path, array); // Its values have a known range, or this throws.
  return { format: 'npy', width: array.width, height: array.height, samples: 'array' };
}

function checkPixels(path: string, width: number, height: number): void {
  if (width * height <= maxPixels) return;
  const megapixels = (width * height) / 1e6;
  throw new ImageDataError(
    path,
    `${width} × ${height} pixels are ${megapixels.toFixed(0)} megapixels, at most ${Math.floor(maxPixels / 1e6)} are supported; scale it down`,
  );
}

/** Checks and returns the tags of a TIFF; null for other formats, whose samples the decoder always supports. */
function checkSamples(path: string, bytes: Uint8Array): TiffTags | null {
  const tags = sniffFormat(bytes) === 'tiff' ? readTiffTags(bytes) : null;
  const fault = tags && tiffFault(tags);
  if (fault) throw new ImageDataError(path, fault);
  return tags;
}

async function samplesOf(path: string, bytes: Uint8Array): Promise<Samples> {
  if (isNpy(bytes)) return 'array';
  const tags = checkSamples(path, bytes);
  if (tags === null) return 'usual';
  if (tags.format === 3 && tags.photometric <= 2) return measureFloats(path, bytes, tags);
  return hasSpareBand(tags) ? 'spare band' : 'usual';
}

/** Returns width and height after scaling the shorter side to `size`, the longer side limited to four times that. */
export function scaledSize(header: { width: number; height: number }, size: number): [number, number] {
  const { width, height } = header;
  const longer = (ratio: number) => Math.max(size, Math.round(size * Math.min(maxAspect, ratio)));
  return width > height ? [longer(width / height), size] : [size, longer(height / width)];
}

/**
 * Decodes an image to RGB bytes: the first frame or page, rotated by its EXIF orientation, on white if transparent,
 * scaled to cover `width` × `height` and cropped to that from its centre. Runs on sharp's own threads, in parallel to
 * the caller.
 *
 * @param input path of the file, or its bytes; default `path`
 * @param samples from the header; if missing, the header is read first
 * @param scaling `fill` scales each side on its own instead of cropping; default `cover`
 * @throws ImageDataError with the path and the decoder's reason
 */
export async function decodePicture(
  path: string,
  width: number,
  height: number,
  input: string | Uint8Array = path,
  samples?: Samples,
  scaling: Scaling = 'cover',
): Promise<Picture> {
  const sharp = await loadSharp();
  const bytes = async () => (typeof input === 'string' ? readWhole(input) : input);
  const known = samples ?? (await samplesOf(path, await bytes()));
  if (known === 'array') return decodeArray(path, await bytes(), width, height, scaling);
  try {
    const image = sharp(readable(input), { failOn: 'error', limitInputPixels: maxPixels });
    if (typeof known === 'object') return await decodeFloats(image, width, height, known, scaling);
    const colours = known === 'spare band' ? await withoutSpare(image) : image;
    return await decodeWith(colours, width, height, scaling);
  } catch (cause) {
    throw new ImageDataError(path, `cannot be decoded (${firstLine(cause)})`, { cause });
  }
}

/**
 * Reads a file and decodes it in its own size, or scaled to cover another one, of which the centre is kept.
 *
 * @throws ImageDataError if it cannot be read or decoded
 */
export async function readPicture(
  path: string,
  size?: readonly [height: number, width: number],
): Promise<Picture> {
  const bytes = await readWhole(path);
  const header = await readHeader(path, bytes);
  const [height, width] = size ?? [header.height, header.width];
  return decodePicture(path, width, height, bytes, header.samples ?? 'usual');
}

async function decodeArray(path: string, bytes: Uint8Array, width: number, height: number, fit: Scaling) {
  const array = readArray(path, bytes);
  const { width: columns, height: rows, channels } = array;
  const raw = { width: columns, height: rows, channels };
  return decodeWith((await loadSharp())(bytesOfArray(path, array), { raw }), width, height, fit);
}

/** Returns an input for the decoder, which cannot open names that are not UTF-8. */
function readable(input: string | Uint8Array): string | Uint8Array {
  if (typeof input !== 'string') return input;
  const place = systemPath(input);
  return typeof place === 'string' ? place : readFileSync(place);
}

/** Drops the fourth band first, as the decoder would treat it as transparency. */
async function withoutSpare(image: Sharp): Promise<Sharp> {
  const { data, info } = await image
    .autoOrient()
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return (await loadSharp())(data, { raw: { width, height, channels } });
}

async function decodeWith(image: Sharp, width: number, height: number, fit: Scaling): Promise<Picture> {
  const { data, info } = await image
    .autoOrient()
    .toColourspace('srgb')
    .flatten({ background: '#ffffff' })
    .resize(width, height, { fit, position: 'centre' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return { width, height, pixels: data };
  if (info.channels === 1) return { width, height, pixels: greyToRgb(data) };
  throw new Error(`decoded to ${info.channels} channels, expected 3`);
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().split('\n')[0] ?? '';
}
