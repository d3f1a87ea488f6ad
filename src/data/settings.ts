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
import type { Channels } from './image-source.js';

const channels = kind<Channels>('3, or 1 for grey images', (value) => value === 1 || value === 3);

// In the order in which a configuration prints them.
export const dataSchema = {
  /** Crop of non-square images in training, default random; held-out images use the centre. */
  crop: oneOf('center', 'random')('random'),
  /** Mirror half of the training images, default true. */
  flip: flag(true),
  /** Share (below 1) or number of held-out images, chosen by their contents; default 0.05. */
  heldOut: notNegative(0.05),
  /** What to do with a file that cannot be decoded: report and skip it (`skip`, default), or throw (`stop`). */
  onError: oneOf('skip', 'stop')('skip'),
  /** A folder of images, a .txt, .jsonl, .csv or .tsv list of them, tar archives, a packed folder, or the built-in `scenes` or `emoji`. */
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
  /** Factor by which the field `lr` of an image is smaller, default 4. */
  lrFactor: optional(count()),
  /** How the field `lr` is enlarged to the image's size again, `nearest` (default) or `bicubic`. */
  lrEnlarge: optional(oneOf('nearest', 'bicubic')()),
  /** Folder, list or packed folder of held-out images, instead of a share of `path`. */
  heldOutPath: changeable(optional(text())),
  /** Built-in images: total number, default 4096. */
  count: optional(count()),
  /** Built-in images: seed of the series, default 1. */
  seed: optional(integer()),
};

/** The section `data` of a training configuration. */
export type DataConfig = Partial<Settings<typeof dataSchema>> & { path: string; size: number };
