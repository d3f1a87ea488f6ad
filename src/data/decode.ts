import type { Sharp } from 'sharp';
import { ImageDataError } from './image-error.js';
import type { Picture } from './picture.js';
import { loadSharp } from './sharp.js';

/** Pictures with more pixels than this (8192 × 8192) are refused before anything is decoded. */
export const maxPixels = 2 ** 26;

/** A picture longer than this many times its breadth is cut to its middle part. */
const maxAspect = 4;

/** Names by which pictures are found; what they hold is told by their first bytes. */
export const pictureExtensions: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.avif',
  '.gif',
  '.tif',
  '.tiff',
]);

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff';

/** The format that a file's first bytes show, whatever its name; null for none that is read. */
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

export interface PictureHeader {
  format: PictureFormat;
  /** Pixels, upright: after the turn that its EXIF orientation asks for. */
  width: number;
  height: number;
}

/**
 * Reads what a picture's header says, from the file's bytes, without decoding it.
 * @throws ImageDataError for what is no picture, is of another format, or is too large
 */
export async function readHeader(path: string, bytes: Uint8Array): Promise<PictureHeader> {
  if (bytes.length === 0) throw new ImageDataError(path, 'the file is empty');
  const format = sniffFormat(bytes);
  if (format === null) {
    throw new ImageDataError(path, 'this is no JPEG, PNG, WebP, AVIF, GIF or TIFF, whatever its name says');
  }
  const sharp = await loadSharp();
  const { autoOrient } = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw new ImageDataError(path, `its header cannot be read (${firstLine(cause)})`, { cause });
    });
  const { width, height } = autoOrient;
  if (width * height > maxPixels) {
    const megapixels = (width * height) / 1e6;
    throw new ImageDataError(
      path,
      `${width} × ${height} pixels are ${megapixels.toFixed(0)} megapixels, at most ${Math.floor(maxPixels / 1e6)} are read; scale it down`,
    );
  }
  return { format, width, height };
}

/** Width and height of a picture scaled until its shorter side is `size`, the longer cut at four times that. */
export function scaledSize(header: { width: number; height: number }, size: number): [number, number] {
  const { width, height } = header;
  const longer = (ratio: number) => Math.max(size, Math.round(size * Math.min(maxAspect, ratio)));
  return width > height ? [longer(width / height), size] : [size, longer(height / width)];
}

/**
 * Decodes a picture to RGB bytes: turned upright by its EXIF orientation, laid on white where it is transparent,
 * the first frame of several, scaled to cover `width` × `height` and cut to that from its middle. One task of sharp's
 * own threads, so that it goes on while the caller computes.
 * @throws ImageDataError naming the path and the decoder's reason
 */
export async function decodePicture(
  path: string,
  width: number,
  height: number,
  input: string | Uint8Array = path,
): Promise<Picture> {
  const sharp = await loadSharp();
  return decodeWith(path, sharp(input, { failOn: 'error', limitInputPixels: maxPixels }), width, height);
}

async function decodeWith(path: string, image: Sharp, width: number, height: number): Promise<Picture> {
  try {
    const { data, info } = await image
      .autoOrient()
      .toColourspace('srgb')
      .flatten({ background: '#ffffff' })
      .resize(width, height, { fit: 'cover', position: 'centre' })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels === 3) return { width, height, pixels: data };
    if (info.channels === 1) return { width, height, pixels: greyToRgb(data) };
    throw new Error(`decoded to ${info.channels} channels, expected 3`);
  } catch (cause) {
    throw new ImageDataError(path, `cannot be decoded (${firstLine(cause)})`, { cause });
  }
}

function greyToRgb(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (const [i, value] of grey.entries()) rgb.fill(value, i * 3, i * 3 + 3);
  return rgb;
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().split('\n')[0] ?? '';
}
