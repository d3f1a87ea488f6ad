/** Settings of the images: the section `data` of a configuration. */
import {
  changeable,
  count,
  flag,
  flagged,
  integer,
  kind,
  notNegative,
  oneOf,
  optional,
  text,
  type Settings,
} from '../config/schema.js';
import { areBuckets } from './batches/buckets.js';
import type { Channels } from './image-source.js';

const channels = kind<Channels>('3, or 1 for grey images', (value) => value === 1 || value === 3);

type Range = readonly [least: number, most: number];
const range = (expected: string, accepts: (most: number) => boolean) =>
  kind<Range>(expected, (value) => {
    const [least, most] = Array.isArray(value) && value.length === 2 ? (value as number[]) : [];
    return least !== undefined && most !== undefined && least > 0 && least <= most && accepts(most);
  });

// In the order in which a configuration prints them.
export const dataSchema = {
  /**
   * Crop of images in training: of non-square ones at a random place (`random`, default) or the centre, or of any at a
   * random place in a random size and proportions (`resized`, torchvision's RandomResizedCrop). Held-out images use the
   * centre.
   */
  crop: oneOf('center', 'random', 'resized')('random'),
  /** Mirror half of the training images, default true. */
  flip: flag(true),
  /** Share (below 1) or number of held-out images, chosen by their contents; default 0.05. */
  heldOut: notNegative(0.05),
  /** Policy for files that cannot be decoded: report and skip them (`skip`, default), or throw (`stop`). */
  onError: oneOf('skip', 'stop')('skip'),
  /**
   * A folder of images, a .txt, .jsonl, .csv or .tsv list of them, tar archives, a packed folder, or the built-in `scenes` or
   * `emoji`. Stage 2: also a token set, as `encode` writes it.
   */
  path: changeable(flagged('--data <folder>', 'images to train on', text())),
  /** Side of the training squares in pixels. */
  size: optional(count()),
  /** Channels of the images: 3 (red, green and blue; default), or 1 to convert all to grey. */
  channels: optional(channels()),
  /** Maps to read with each image, such as `segmentation`; a stage whose model takes one fills it in. */
  maps: optional(
    kind<readonly string[]>(
      'a list of names',
      (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
    )(),
  ),
  /** `crop: resized`: least and largest share of an image's area, default [0.08, 1]. */
  cropScale: optional(range('two numbers from above 0 to 1, the smaller first', (most) => most <= 1)()),
  /** `crop: resized`: least and largest width by height, default [3/4, 4/3]. */
  cropRatio: optional(range('two positive numbers, the smaller first', () => true)()),
  /**
   * First stage: sides of training images that are not square, width by height, such as `[64x64, 80x48, 48x80]`. Each image
   * goes to the bucket with the nearest proportions, each batch has images of one.
   */
  buckets: optional(kind<readonly string[]>('a list of sides such as 80x48', areBuckets)()),
  /** Factor by which the field `lr` of an image is smaller, default 4. */
  lrFactor: optional(count()),
  /** Interpolation that enlarges the field `lr` to the image's size again, `nearest` (default) or `bicubic`. */
  lrEnlarge: optional(oneOf('nearest', 'bicubic')()),
  /** Folder, list or packed folder of held-out images, instead of a share of `path`; of a token set another one. */
  heldOutPath: changeable(optional(text())),
  /** Built-in images: total number, default 4096. */
  count: optional(count()),
  /** Built-in images: seed of the series, default 1. */
  seed: optional(integer()),
};

/** The section `data` of a training configuration. */
export type DataConfig = Partial<Settings<typeof dataSchema>> & { path: string; size: number };
