import { builtIns, makeScenes, type BuiltIn, type MadeImages } from './built-in/built-in.js';
import { makeEmoji } from './built-in/emoji.js';
import { sidesOfBuckets } from './batches/buckets.js';
import { countOf, findImages } from './files/find-images.js';
import { fingerprintOf } from './fingerprint.js';
import { ImageDataError } from './image-error.js';
import { ImageFiles, type ImageFilesOptions, type SkippedImage } from './files/image-files.js';
import { ImageSource, type PictureStore } from './image-source.js';
import { lowResolutionOf } from './fields/low-resolution.js';
import { isPacked, PackedImages } from './packed/packed-images.js';
import type { PackIndex } from './packed/packed-index.js';
import { usualResizedCrop } from './batches/random-resized-crop.js';
import type { DataConfig } from './settings.js';
import { divided, placesOf, splitFrom, type Places, type Split } from './split.js';
import { findShards } from './files/tar-shards.js';
import { isTokenFolder } from './files/token-folder.js';

export interface DataReport {
  kind: 'folder' | 'list' | 'tar' | 'packed' | BuiltIn;
  path: string;
  size: number;
  /** Number of training images, and of held-out images. */
  train: number;
  heldOut: number;
  /** Files skipped so far, and why; grows in training if not all were decoded at the start. */
  skipped: SkippedImage[];
  /** True if every image has been decoded once, so that no more will be skipped. */
  decoded: boolean;
  /** Number of files ignored because of their extension. */
  ignored: number;
  /** The same by extension (in lower case; empty for names without one): `{ '.bmp': 3, '.txt': 1 }`. */
  ignoredKinds: Readonly<Record<string, number>>;
  /** Number of files with the same contents as an earlier one. */
  duplicates: number;
  /** Number of images whose shorter side had to be enlarged. */
  enlarged: number;
  classes: readonly string[];
  /**
   * Digest that changes with the training images, their order, their classes or the held-out images: a resumed run
   * would then differ.
   */
  fingerprint: string;
}

export type OpenImagesOptions = Omit<ImageFilesOptions, 'size' | 'detail' | 'onError'>;

export interface OpenedImages {
  train: ImageSource;
  /** Empty with `heldOut: 0`. */
  heldOut: ImageSource;
  report: DataReport;
  /** Index of a packed folder. */
  index?: PackIndex;
  close(): Promise<void>;
}

/**
 * Opens images for training and splits off the held-out ones by their contents.
 * @throws ImageDataError for a path without usable images
 * @throws RangeError for an invalid option
 *
 * @example
 * ```ts
 * const { train, heldOut, close } = await openImages({ path: 'photos', size: 64 });
 * console.log(train.length, heldOut.length);
 * const images = await heldOut.read([0, 1]); // [2, 3, 64, 64], in [-1, 1]
 * await close();
 * ```
 */
export async function openImages(config: DataConfig, options: OpenImagesOptions = {}): Promise<OpenedImages> {
  checkConfig(config);
  const { size, channels = 3, heldOutPath, heldOut = 0.05 } = config;
  const main = await openPart(config, options);
  const { store } = main; // All that is kept of it: its places take 16 bytes an image.
  const closeStore = async (error: unknown) => {
    await store.close();
    throw error;
  };
  const other =
    heldOutPath === undefined
      ? null
      : await openPart({ ...config, path: heldOutPath }, options).catch(closeStore);
  const otherStore = other?.store ?? null;
  const held = otherStore ?? store;
  const { train, heldOut: chosen } = splitFrom(store, otherStore, main.split, heldOut, main.places);
  if (other !== null && train.length === 0) {
    throw new ImageDataError(
      config.path,
      `all its images are also in ${heldOutPath}; none is left to train on`,
    );
  }
  let heldItems = chosen;
  // Held-out images are measured throughout a run, so they must be readable now.
  if (!(other ?? main).report.decoded) heldItems = await readable(held, heldItems);
  const low = lowResolutionOf(config);
  const fitted = detailOf(config) !== undefined;
  const sources = {
    train: new ImageSource(store, size, train, channels, low, fitted),
    heldOut: new ImageSource(held, size, heldItems, channels, low, fitted),
  };
  const fingerprint = fingerprintOf(sources.train, sources.heldOut);
  const report = { ...main.report, train: train.length, heldOut: heldItems.length, fingerprint };
  if (other !== null) addHeldOut(report, other.report);
  return {
    ...sources,
    report,
    ...(store instanceof PackedImages && { index: store.index }),
    async close() {
      await store.close();
      await otherStore?.close();
    },
  };
}

export interface OpenedStore {
  store: PictureStore;
  /** Places of its images, from which a split by their contents follows. */
  places: Places;
  report: DataReport;
  /** Predefined split, if the source has one. */
  split: Split | null;
}

/** Opens one path of images, not yet split. */
export async function openPart(config: DataConfig, options: OpenImagesOptions): Promise<OpenedStore> {
  checkConfig(config);
  const { path, size } = config;
  const opened = (kind: DataReport['kind'], store: PictureStore): Omit<OpenedStore, 'split'> => {
    const places = placesOf(store);
    return { store, places, report: reportOf(config, kind, store, store.length - places.distinct) };
  };
  if (isBuiltIn(path)) {
    const { store, train, heldOut } = await makeBuiltIn(path, config, options);
    return { ...opened(path, store), split: { train, heldOut } };
  }
  if (isTokenFolder(path)) {
    throw new ImageDataError(
      path,
      'these are tokens of images, on which only a transformer is trained; name the images',
    );
  }
  if (await isPacked(path)) {
    const store = await PackedImages.open(path);
    const detail = detailOf(config);
    if (detail === undefined ? store.index.size !== size : store.index.size < size) {
      await store.close();
      throw new ImageDataError(
        path,
        `its images are packed at ${store.index.size} pixels, not ${size}: set data.size=${store.index.size}, ` +
          `or pack them again with: npx tessera-torch data pack ${store.index.source} --size ${size}`,
      );
    }
    const { splitMade, skipped } = store.index;
    const split = splitMade ? divided(store.length, (i) => store.heldOut(i)) : null;
    const part = opened('packed', store);
    part.report.skipped = [...skipped];
    return { ...part, split };
  }
  const found = (await findShards(path, options)) ?? (await findImages(path));
  const store = await ImageFiles.open(path, found, {
    ...options,
    size,
    detail: detailOf(config),
    onError: config.onError ?? 'skip',
  });
  const enlarged = Array.from({ length: store.length }, (_, i) => store.sides(i)).filter(
    ({ width, height }) => Math.min(width, height) < size,
  ).length;
  const { skipped, decoded } = store;
  const { kind, ignored: ignoredKinds } = found;
  const ignored = countOf(ignoredKinds);
  const part = opened(kind, store);
  Object.assign(part.report, { skipped, decoded, ignored, ignoredKinds, enlarged });
  return { ...part, split: null };
}

/** Returns the report of a store of which nothing was skipped or passed over. */
function reportOf(
  { path, size }: DataConfig,
  kind: DataReport['kind'],
  store: PictureStore,
  duplicates: number,
): DataReport {
  return {
    kind,
    path,
    size,
    train: 0,
    heldOut: 0,
    skipped: [],
    decoded: true,
    ignored: 0,
    ignoredKinds: {},
    duplicates,
    enlarged: 0,
    classes: store.classes,
    fingerprint: '',
  };
}

/** Returns the shorter side at which crops of unlike sizes need no enlarging; undefined if all are squares of `size`. */
function detailOf({ size, crop, cropScale, buckets }: DataConfig): number | undefined {
  if (crop === 'resized') return Math.ceil(size / Math.sqrt((cropScale ?? usualResizedCrop.scale)[0]));
  if (!buckets) return undefined;
  // A quarter more, as the proportions of images differ from those of their buckets.
  const needed = sidesOfBuckets(buckets).map((sides) => Math.ceil(1.25 * Math.min(...sides)));
  return Math.max(size, ...needed);
}

export function isBuiltIn(path: string): path is BuiltIn {
  return (builtIns as readonly string[]).includes(path);
}

function makeBuiltIn(name: BuiltIn, config: DataConfig, options: OpenImagesOptions): Promise<MadeImages> {
  const { size, count = 4096, seed = 1, heldOut = 0.05, heldOutPath } = config;
  const { onProgress, signal, maps } = options;
  const held = heldOutPath === undefined ? heldOut : 0;
  const request = { size, count, seed, heldOut: held, maps, onProgress, signal };
  return name === 'scenes' ? makeScenes(request) : makeEmoji(request);
}

/** Adds the skipped and ignored files of the held-out path. */
function addHeldOut(report: DataReport, other: DataReport): void {
  report.skipped = [...report.skipped, ...other.skipped];
  report.ignored += other.ignored;
  const kinds = { ...report.ignoredKinds };
  for (const [kind, count] of Object.entries(other.ignoredKinds)) kinds[kind] = (kinds[kind] ?? 0) + count;
  report.ignoredKinds = kinds;
}

async function readable(store: PictureStore, items: readonly number[]): Promise<number[]> {
  const result: number[] = [];
  for (const item of items) if ((await store.load(item)) !== null) result.push(item);
  return result;
}

function checkConfig({ path, size, channels, count, seed }: DataConfig): void {
  if (typeof path !== 'string' || path === '') {
    throw new RangeError('data.path is missing: name a folder of images, or scenes, or emoji');
  }
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new RangeError(`data.channels must be 3, or 1 for grey images; got ${String(channels)}`);
  }
  for (const [name, value, least] of [
    ['size', size, 1],
    ['count', count ?? 2, 2],
    ['seed', seed ?? 0, Number.MIN_SAFE_INTEGER],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      const range = name === 'seed' ? 'an integer' : `an integer of at least ${least}`;
      throw new RangeError(`data.${name} must be ${range}, got ${value}`);
    }
  }
}
