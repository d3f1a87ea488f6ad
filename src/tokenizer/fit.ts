/** Fits images to a first stage: both sides become multiples of its stride. */
import { decodePicture, readHeader, scaledSize } from '../data/pictures/decode.js';
import { rgbToGrey } from '../data/pictures/picture.js';
import { readWhole } from '../data/pictures/read-whole.js';
import { show } from '../config/read.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as F from '../torch/nn/functional.js';

/** Way of making sides multiples of the stride. */
export type Fit = 'crop' | 'pad' | 'resize';

/** Content of the pixels that `fit: 'pad'` adds. */
export type Padding = 'reflect' | 'replicate';

/** Options of how images are scaled and fitted to whole codes. */
export interface FitOptions {
  /**
   * Shorter side in pixels; the aspect ratio is kept, but at most four to one: longer images are cropped to their
   * middle. Tensors are scaled with bicubic interpolation. Default: of files, the size the model was trained with; of a
   * tensor, its own.
   */
  size?: number;
  /** True to crop the centre square first, so that all images have the same grid. Default false. */
  square?: boolean;
  /**
   * Way of making both sides multiples of the stride: `crop` (default) to the next smaller ones at the centre, `pad` to
   * the next larger ones at the right and the bottom, `resize` to the nearest ones, each side on its own.
   */
  fit?: Fit;
  /** Content of padding: the image mirrored at its edge (`reflect`, the default), or its edge (`replicate`). */
  padding?: Padding;
}

/** Model to which images are fitted. */
export interface FitTarget {
  /** Pixels per code along a side. */
  readonly stride: number;
  readonly channels: number;
  /** Default of `size` for files. */
  readonly size: number;
}

/** An image as the model takes it, and its part that is not padding. */
export interface FittedPicture {
  /** Bytes [height, width, channels]. */
  pixels: Uint8Array;
  height: number;
  width: number;
  /** Height and width without the padding. */
  size: [number, number];
}

const fits: readonly Fit[] = ['crop', 'pad', 'resize'];
const paddings: readonly Padding[] = ['reflect', 'replicate'];

/** @throws TypeError for a value that is not one of the choices, RangeError for a size below the stride */
export function checkFit({ size, fit, padding }: FitOptions, { stride }: FitTarget): void {
  oneOf('fit', fit, fits);
  oneOf('padding', padding, paddings);
  if (size === undefined) return;
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new RangeError(
      `size must be a positive integer, the pixels of the shorter side; got ${show(size)}`,
    );
  }
  if (size < stride && (fit ?? 'crop') === 'crop') {
    throw new RangeError(
      `size ${size} is smaller than one code, ${stride} × ${stride} pixels; give at least ${stride}, or fit: 'pad'`,
    );
  }
}

/** @throws TypeError if a value is given that is not one of the choices */
export function oneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return;
  throw new TypeError(`${name} must be ${choices.map((one) => `'${one}'`).join(' or ')}; got ${show(value)}`);
}

/**
 * Reads an image and fits it.
 *
 * @param name of the image in errors
 * @param source path of the file, or its bytes
 * @throws ImageDataError for an image that cannot be read
 */
export async function readFitted(
  name: string,
  source: string | Uint8Array,
  target: FitTarget,
  { size = target.size, square = false, fit = 'crop', padding = 'reflect' }: FitOptions,
): Promise<FittedPicture> {
  const bytes = typeof source === 'string' ? await readWhole(source) : source;
  const header = await readHeader(name, bytes);
  const scaled = square ? ([size, size] as const) : scaledSize(header, size);
  const [width, height] = scaled.map((side) => keptSide(side, target.stride, fit)) as [number, number];
  // An image that is cropped to other proportions would be squeezed by `fill`.
  const scaling = fit === 'resize' && !isCut(header, scaled) ? 'fill' : 'cover';
  const picture = await decodePicture(name, width, height, bytes, header.samples ?? 'usual', scaling);
  const pixels = target.channels === 1 ? rgbToGrey(picture.pixels) : picture.pixels;
  const padded = { height: wholeSide(height, target.stride), width: wholeSide(width, target.stride) };
  return {
    pixels: padBytes(pixels, [height, width], [padded.height, padded.width], target.channels, padding),
    ...padded,
    size: [height, width],
  };
}

/** True if the proportions of a size are not those of the image. */
function isCut(
  header: { width: number; height: number },
  [width, height]: readonly [number, number],
): boolean {
  // Rounding alone changes a side by less than a pixel.
  const scale = Math.max(width / header.width, height / header.height);
  return header.width * scale > width + 1 || header.height * scale > height + 1;
}

/** Returns a side in pixels after cropping or resizing, before any padding. */
function keptSide(side: number, stride: number, fit: Fit): number {
  if (fit === 'pad') return side;
  const codes = fit === 'crop' ? Math.floor(side / stride) : Math.round(side / stride);
  return Math.max(1, codes) * stride;
}

const wholeSide = (side: number, stride: number): number => Math.ceil(side / stride) * stride;

/**
 * Fits images [B, C, H, W]; returns them with the height and width that are not padding. In the current scope.
 *
 * @throws ShapeError if they have other channels, or are smaller than a code and would be cropped
 */
export function fitTensor(
  images: Tensor,
  { stride, channels }: FitTarget,
  { size, square = false, fit = 'crop', padding = 'reflect' }: FitOptions,
): { images: Tensor; size: [number, number] } {
  const [batch = 0, found, height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || found !== channels || batch * height * width === 0) {
    throw new torch.ShapeError(
      `encode expects images [B, ${channels}, H, W] in [-1, 1], got [${images.shape.join(', ')}]` +
        (images.ndim === 3 ? ': add the batch with .unsqueeze(0)' : ''),
    );
  }
  if (!images.dtype.includes('float')) {
    throw new torch.DTypeError(
      `encode expects floating point images in [-1, 1], got ${images.dtype}: convert bytes with .float().div(127.5).sub(1)`,
    );
  }
  const side = square ? (size ?? Math.min(height, width)) : size;
  const scaled: readonly [number, number] =
    side === undefined ? [width, height] : square ? [side, side] : scaledSize({ width, height }, side);
  const kept = scaled.map((pixels) => keptSide(pixels, stride, fit)) as [number, number];
  const [keptWidth, keptHeight] = kept;
  let x = side === undefined ? images : centre(images, scaled);
  if (fit === 'resize') x = resized(x, kept);
  else {
    x = resized(x, scaled);
    const [, , h, w] = x.shape as [number, number, number, number];
    if (keptHeight > h || keptWidth > w) {
      throw new torch.ShapeError(
        `an image of ${h} × ${w} is smaller than one code, ${stride} × ${stride} pixels: use fit: 'pad' or 'resize'`,
      );
    }
    if (fit === 'crop') {
      const [top, left] = [Math.floor((h - keptHeight) / 2), Math.floor((w - keptWidth) / 2)];
      x = x.narrow(2, top, keptHeight).narrow(3, left, keptWidth);
    } else {
      x = padded(x, 2, wholeSide(h, stride), padding);
      x = padded(x, 3, wholeSide(w, stride), padding);
    }
  }
  return { images: x, size: [keptHeight, keptWidth] };
}

/** Crops the middle of the proportions of a size, for images beyond four to one. */
function centre(x: Tensor, [width, height]: readonly [number, number]): Tensor {
  const [, , h, w] = x.shape as [number, number, number, number];
  const [toHeight, toWidth] = [
    Math.min(h, Math.round((w * height) / width)),
    Math.min(w, Math.round((h * width) / height)),
  ];
  return x
    .narrow(2, Math.floor((h - toHeight) / 2), Math.max(1, toHeight))
    .narrow(3, Math.floor((w - toWidth) / 2), Math.max(1, toWidth));
}

function resized(x: Tensor, [width, height]: readonly [number, number]): Tensor {
  if (x.shape[2] === height && x.shape[3] === width) return x;
  return F.interpolate(x.float(), { size: [height, width], mode: 'bicubic', antialias: true }).clamp(-1, 1);
}

function padded(x: Tensor, dim: number, side: number, padding: Padding): Tensor {
  const count = x.shape[dim]!;
  if (count === side) return x;
  const from = sourcesOf(count, side, padding);
  return x.indexSelect(dim, torch.tensor(BigInt64Array.from(from, BigInt), { device: x.device }));
}

function padBytes(
  pixels: Uint8Array,
  [height, width]: readonly [number, number],
  [toHeight, toWidth]: readonly [number, number],
  channels: number,
  padding: Padding,
): Uint8Array {
  if (height === toHeight && width === toWidth) return pixels;
  const columns = sourcesOf(width, toWidth, padding);
  const result = new Uint8Array(toHeight * toWidth * channels);
  for (const [y, from] of sourcesOf(height, toHeight, padding).entries()) {
    for (const [x, column] of columns.entries()) {
      const at = (from * width + column) * channels;
      result.set(pixels.subarray(at, at + channels), (y * toWidth + x) * channels);
    }
  }
  return result;
}

/** Returns the position in the image of each position of a padded side; mirrored repeatedly if the image is small. */
function sourcesOf(count: number, side: number, padding: Padding): number[] {
  const period = Math.max(1, 2 * (count - 1));
  return Array.from({ length: side }, (_, i) => {
    if (padding === 'replicate') return Math.min(i, count - 1);
    const at = i % period;
    return count === 1 ? 0 : Math.min(at, period - at);
  });
}
