/** The image that `sample` completes, and which of its pixels are to be drawn. */
import { decodePicture, readHeader } from '../../../data/pictures/decode.js';
import { bytesToImages } from '../../../data/pictures/image-tensor.js';
import { readMapFile } from '../../../data/pictures/map-file.js';
import { LAYOUT } from '../../../data/fields/layout.js';
import { rgbToGrey } from '../../../data/pictures/picture.js';
import { readWhole } from '../../../data/pictures/read-whole.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { Canvas } from '../../../sampling/completion.js';
import { readFitted } from '../../../tokenizer/fit.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';
import { strideOf, type PixelSize } from './size.js';

/** Part of an image that is kept: its upper or left half, or the share of its codes that comes first in rows. */
export type Kept = 'top' | 'left' | number;

export interface PhotoFlags {
  image?: string;
  mask?: string;
  keep?: Kept;
  size?: PixelSize;
  at?: readonly [x: number, y: number];
  vary?: string;
  share?: number;
}

/** An image to complete or to vary. */
export interface Photo {
  /** [1, C, H, W] in [-1, 1]. */
  image: Tensor;
  /** True where it is drawn, [H, W]; null: nowhere. */
  mask: Tensor | null;
  /** Its place in a larger image; null: it is the whole image. */
  canvas: Canvas | null;
  /** Share of its codes that are drawn again; null: it is completed. */
  share: number | null;
}

/**
 * Reads an image as the model's first stage takes it: scaled to the trained size at its shorter side, or unscaled if
 * `unscaled`.
 *
 * @param flag names the file in errors
 * @param square crop it to its middle
 * @throws UsageError if it is unscaled and not whole codes, or the model's images are maps
 */
export async function readPhoto(
  model: TwoStage,
  file: string,
  {
    trained,
    unscaled,
    flag,
    square = false,
  }: { trained: number; unscaled: boolean; flag: string; square?: boolean },
): Promise<Tensor> {
  const stride = strideOf(model);
  const { firstStageModel: first } = model;
  const channels = first instanceof FirstStage ? first.config.ddconfig.inChannels : 3;
  if (channels !== 1 && channels !== 3) {
    throw new UsageError(`${flag} ${file}: the model draws maps with ${channels} channels, not images`);
  }
  if (!unscaled) {
    const { pixels, height, width } = await readFitted(
      file,
      file,
      { stride, channels, size: trained },
      { square },
    );
    return bytesToImages(pixels, [height, width], channels);
  }
  const bytes = await readWhole(file);
  const { width, height, samples = 'usual' } = await readHeader(file, bytes);
  const whole = [width, height].map((side) => Math.floor(side / stride) * stride);
  if (whole[0] !== width || whole[1] !== height) {
    throw new UsageError(
      `${flag} ${file} has ${width} × ${height} pixels, but codes have ${stride} × ${stride}: crop it to ${whole.join(' × ')}, or leave --size out, so that it is scaled`,
    );
  }
  const { pixels } = await decodePicture(file, width, height, bytes, samples);
  return bytesToImages(channels === 1 ? rgbToGrey(pixels) : pixels, [height, width], channels);
}

/** Reads the image of `--vary`, or that of `--image` with the part to draw; null without both. */
export async function choosePhoto(
  model: TwoStage,
  flags: PhotoFlags,
  trained: number,
): Promise<Photo | null> {
  const { image, vary, share = 0.3 } = flags;
  const flag = vary === undefined ? '--image' : '--vary';
  const file = vary ?? image;
  if (file === undefined) return null;
  if (model.pkeep <= 0) {
    throw new UsageError(
      `${flag} ${file}: the model draws all codes at once and cannot keep some of an image`,
    );
  }
  if (vary === undefined) return toComplete(model, { ...flags, image: file }, trained);
  const varied = await readPhoto(model, file, { trained, unscaled: false, flag, square: true });
  return { image: varied, mask: null, canvas: null, share };
}

/**
 * Reads the image of `--image`, and the part of it to draw.
 *
 * @throws UsageError if the mask has another size or is black, or the image does not lie in the size
 */
async function toComplete(
  model: TwoStage,
  flags: PhotoFlags & { image: string },
  trained: number,
): Promise<Photo> {
  const { image: file, size } = flags;
  const unscaled = size !== undefined;
  const image = await readPhoto(model, file, { trained, unscaled, flag: '--image' });
  const [height, width] = image.shape.slice(2) as [number, number];
  const mask = flags.mask
    ? await readMask(flags.mask, file, [height, width])
    : keptMask(flags.keep, [height, width], strideOf(model));
  const larger = size && (size[0] !== width || size[1] !== height);
  if (larger && model.condition.field === LAYOUT) {
    throw new UsageError(
      `--size: a model of layouts completes images of the trained size only; leave --size out`,
    );
  }
  if (larger) return { image, mask, canvas: canvasOf(flags, [width, height], strideOf(model)), share: null };
  if (mask) return { image, mask, canvas: null, share: null };
  throw new UsageError(
    `--image ${file}: name what is to be drawn of it with --mask or --keep, or a --size larger than its ${width}x${height} pixels`,
  );
}

/** Reads a mask as bool [height, width], true where it is white. */
async function readMask(file: string, photo: string, size: readonly [number, number]): Promise<Tensor> {
  const [own, other] = await Promise.all(
    [file, photo].map(async (path) => {
      const { width, height } = await readHeader(path, await readWhole(path));
      return `${width} × ${height}`;
    }),
  );
  if (own !== other) {
    throw new UsageError(
      `--mask ${file} has ${own} pixels, but ${photo} has ${other}: give both the same size`,
    );
  }
  const bytes = await readMapFile(file, size);
  if (!bytes.some((value) => value >= 128)) {
    throw new UsageError(
      `--mask ${file} has no white pixels, so that nothing is drawn: white is drawn, black is kept`,
    );
  }
  return torch.tensor(bytes).ge(128).view(size);
}

/** Returns the mask of the part that is not kept, [height, width]; null without `--keep`. */
function keptMask(
  kept: Kept | undefined,
  [height, width]: readonly [number, number],
  stride: number,
): Tensor | null {
  if (kept === undefined) return null;
  const [rows, columns] = [height / stride, width / stride];
  const isKept = {
    top: (row: number) => row < Math.floor(rows / 2),
    left: (_: number, column: number) => column < Math.floor(columns / 2),
    share: (row: number, column: number) =>
      row * columns + column < Math.floor((kept as number) * rows * columns),
  }[typeof kept === 'number' ? 'share' : kept];
  const pixels = Array.from({ length: height * width }, (_, i) =>
    isKept(Math.floor(Math.floor(i / width) / stride), Math.floor((i % width) / stride)) ? 0 : 1,
  );
  return torch.tensor(Uint8Array.from(pixels)).view([height, width]).bool();
}

function canvasOf(
  { image, size, at }: PhotoFlags,
  [width, height]: readonly [number, number],
  stride: number,
): Canvas {
  const [outerWidth, outerHeight] = size!;
  if (width > outerWidth || height > outerHeight) {
    throw new UsageError(
      `--size ${outerWidth}x${outerHeight} is smaller than ${image}, which has ${width} × ${height} pixels; name a larger one`,
    );
  }
  if (!at) return { size: [outerHeight, outerWidth] };
  const most = [outerWidth - width, outerHeight - height];
  const nearest = at.map((place, i) => Math.min(Math.round(place / stride) * stride, most[i]!));
  if (nearest.some((place, i) => place !== at[i])) {
    throw new UsageError(
      `--at ${at.join(',')}: the image lies at multiples of ${stride}, the pixels of a code, up to ${most.join(',')}; the nearest place is ${nearest.join(',')}`,
    );
  }
  return { size: [outerHeight, outerWidth], at: [at[1], at[0]] };
}
