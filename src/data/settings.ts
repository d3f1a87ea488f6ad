/** The settings of the images, as the section `data` of a configuration holds them. */
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

// In the order in which a configuration is printed.
export const dataSchema = {
  /** Which square of a longer picture training sees, default random; held-out pictures show their middle. */
  crop: oneOf('center', 'random')('random'),
  /** Mirror half of the training pictures, default true. */
  flip: flag(true),
  /** Share (below 1) or count of pictures held out of training, by their contents; default 0.05. */
  heldOut: notNegative(0.05),
  /** A file that cannot be decoded is left out and reported (`skip`, default), or ends the work (`stop`). */
  onError: oneOf('skip', 'stop')('skip'),
  /** A folder of pictures, a .txt list of them, a packed folder, or the built-in `scenes` or `emoji`. */
  path: changeable(flagged('--data <folder>', 'pictures to train on', text())),
  /** Side of the training squares in pixels. */
  size: optional(count()),
  /** Channels of the images: 3 (red, green and blue; default), or 1: grey, whatever the files hold. */
  channels: optional(channels()),
  /** Hold out the pictures of this folder, list or packed folder instead. */
  heldOutPath: changeable(optional(text())),
  /** Built-in pictures: how many in all, default 4096. */
  count: optional(count()),
  /** Built-in pictures: which series, default 1. */
  seed: optional(integer()),
};

/** The `data` part of a training config. */
export type DataConfig = Partial<Settings<typeof dataSchema>> & { path: string; size: number };
