/** Sources of `encode`: images as a whole, or views of images to train on. */
import { createHash } from 'node:crypto';
import { ImageDataError } from '../../../data/image-error.js';
import { openPart } from '../../../data/open-images.js';
import type { Picture, View } from '../../../data/pictures/picture.js';
import { readCrops } from '../../../data/batches/read-squares.js';
import type { DataConfig } from '../../../data/settings.js';
import { fixedViews, type FixedViews } from '../../../data/batches/views.js';
import { readFitted, type FitOptions, type FittedPicture } from '../../../tokenizer/fit.js';
import type { ImageTokenizer } from '../../../tokenizer/image-tokenizer.js';
import type { Origin } from '../../../tokenizer/manifest.js';
import type { ImageRecord } from '../../../tokenizer/read-tokens.js';
import { interruptSignal } from '../../interrupt.js';
import type { EncodeFlags } from './command.js';
import { digestOf } from './manifest.js';

/** Images, and views of them that are encoded. */
export interface EncodeSource {
  /** Number of images. */
  readonly length: number;
  /** Views of each. */
  readonly views: number;
  name(image: number): string;
  /** Reads a view; those of an image are read one after the other. @throws ImageDataError for an image that cannot be used */
  read(image: number, view: number): Promise<FittedPicture>;
  /** Returns the record of an image in a set for training; null in other sets. */
  record(image: number): ImageRecord | null;
  /** Images that were left out when the source was opened. */
  readonly skipped: readonly { path: string; reason: string }[];
  /** Identifies the images, and describes a set for training. */
  origin(): Promise<Pick<Origin, 'images' | 'training'>>;
  close(): Promise<void>;
}

/** Returns files, each as a whole. */
export function wholeImages(
  files: readonly string[],
  tokenizer: ImageTokenizer,
  fit: FitOptions,
): EncodeSource {
  return {
    length: files.length,
    views: 1,
    name: (image) => files[image]!,
    read: (image) => readFitted(files[image]!, files[image]!, tokenizer, fit),
    record: () => null,
    skipped: [],
    origin: async () => ({ images: await digestOf(files) }),
    close: async () => {},
  };
}

/** Flags of views, with their defaults. */
export const viewsOf = ({ views, crop, flip, seed }: EncodeFlags): FixedViews | null =>
  views === undefined
    ? null
    : { count: views, crop: crop ?? 'random', flip: flip ?? 'random', seed: seed ?? 1 };

/** @throws RangeError for flags that contradict each other */
export function checkViews(
  paths: readonly string[],
  flags: EncodeFlags,
  { size: usual, stride }: Pick<ImageTokenizer, 'size' | 'stride'>,
): void {
  const views = viewsOf(flags);
  if (!views) {
    const given = (['crop', 'flip', 'seed'] as const).find((name) => flags[name] !== undefined);
    if (given) throw new RangeError(`--${given} is of the crops of --views: give --views as well`);
    return;
  }
  if (paths.length > 1) {
    throw new RangeError(
      `--views takes the images of one path, whose sub-folders are their classes; got ${paths.length}: put them into one folder or list`,
    );
  }
  if (views.crop === 'center' && views.count > 1) {
    throw new RangeError(`--crop center has one crop of each image, not ${views.count}: give --views 1`);
  }
  if (flags.fit !== 'crop' || flags.tile !== undefined) {
    const name = flags.tile === undefined ? `--fit ${flags.fit}` : '--tile';
    throw new RangeError(
      `--views crops squares, as training does, for which ${name} is not meant: leave it out`,
    );
  }
  const size = flags.size ?? usual;
  if (size % stride !== 0) {
    throw new RangeError(
      `--size ${size} is not a multiple of ${stride}, the pixels of one code along a side: give ${Math.max(1, Math.round(size / stride)) * stride}`,
    );
  }
}

/**
 * Opens images as training does, and returns squares of them.
 *
 * @param trained images that the first stage was trained on: of the same built-in ones, number and series are taken
 */
export async function viewedImages(
  path: string,
  views: FixedViews,
  { size, channels }: { size: number; channels: number },
  trained: Partial<DataConfig>,
): Promise<EncodeSource> {
  const { count, seed, heldOut } = trained;
  const builtIn = {
    ...(count !== undefined && { count }),
    ...(seed !== undefined && { seed }),
    ...(heldOut !== undefined && { heldOut }),
  };
  const config: DataConfig = { path, size, crop: views.crop, ...(trained.path === path && builtIn) };
  // Each image is decoded once, for all of its views.
  const { store, split, report } = await openPart(config, {
    decodeAll: false,
    cacheBytes: 0,
    signal: interruptSignal(),
  });
  const held = split && new Set(split.heldOut);
  const skipped = [...report.skipped];
  let last: { image: number; picture: Promise<Picture>; views: View[] } | null = null;
  const picture = async (image: number): Promise<Picture> => {
    const found = await store.load(image);
    if (found !== null) return found;
    const name = store.name(image);
    const why = report.skipped.find((one) => one.path === name)?.reason;
    throw new ImageDataError(name, why ?? 'cannot be decoded');
  };
  const record = (image: number): ImageRecord => {
    const label = store.label(image);
    const sha256 = store.hash(image);
    return {
      ...(label !== undefined && { class: label }),
      sha256,
      ...(held?.has(image) && { heldOut: true }),
    };
  };
  return {
    length: store.length,
    views: fixedViews('0', views).length,
    name: (image) => store.name(image),
    async read(image, view) {
      if (last?.image !== image) {
        last = { image, picture: picture(image), views: fixedViews(store.hash(image), views) };
      }
      const { picture: whole, views: shown } = last;
      const { image: pixels } = await readCrops({
        sides: [size, size],
        views: [shown[view]!],
        fields: [],
        fitted: views.crop === 'resized',
        channels: channels === 1 ? 1 : 3,
        layout: null,
        label: null,
        load: () => whole,
        nameOf: () => store.name(image),
      });
      return { pixels, height: size, width: size, size: [size, size] };
    },
    record,
    skipped,
    origin: async () => {
      const hash = createHash('sha256').update(JSON.stringify(store.classes));
      for (let i = 0; i < store.length; i++) hash.update(JSON.stringify([store.name(i), record(i)]));
      const training = {
        views: fixedViews('0', views).length,
        classes: store.classes,
        ...(held && { split: true as const }),
      };
      return { images: { count: store.length, sha256: hash.digest('hex') }, training };
    },
    close: () => store.close(),
  };
}
