import { bytesToImages } from '../data/pictures/image-tensor.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { FittedPicture } from './fit.js';
import type { ImageTokenizer } from './image-tokenizer.js';
import { tileOptions, type TileOptions } from './tiles.js';

/** Encodes fitted images of equal size together, in tiles if the options say so; returns the ids of each, int64 [1, h, w]. */
export async function encodePictures(
  tokenizer: ImageTokenizer,
  pictures: readonly FittedPicture[],
  tiles: TileOptions,
): Promise<Tensor[]> {
  const { height, width } = pictures[0]!;
  const { channels, device } = tokenizer;
  const bytes = new Uint8Array(pictures.length * height * width * channels);
  for (const [i, { pixels }] of pictures.entries()) bytes.set(pixels, i * pixels.length);
  const images = bytesToImages(bytes, [height, width], channels, device);
  const { ids } = await tokenizer.encode(images, tileOptions(tiles));
  const each = torch.noGrad(() => pictures.map((_, i) => torch.scope(() => ids.narrow(0, i, 1).clone())));
  torch.dispose([images, ids]);
  return each;
}

/** @throws ShapeError if the model takes neither RGB nor grey images, as files are */
export function checkTakesFiles({ channels }: Pick<ImageTokenizer, 'channels'>): void {
  if (channels === 1 || channels === 3) return;
  throw new torch.ShapeError(
    `the model takes ${channels} channels, which files do not have; give a tensor [B, ${channels}, H, W]`,
  );
}
