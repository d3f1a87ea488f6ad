import { setImmediate } from 'node:timers/promises';
import type { Device, Tensor } from '../../torch/index.js';
import { BucketOrder, nearestBucket } from './buckets.js';
import { checkIntegers } from '../checks.js';
import type { Sides } from './crop.js';
import type { ImageSource } from '../image-source.js';
import { centreView, type View } from '../pictures/picture.js';
import { EpochOrder } from './epoch-order.js';
import { usualResizedCrop, type ResizedCrop } from './random-resized-crop.js';
import { ReadAhead } from './read-ahead.js';
import { SeededRandom } from '../seeded-random.js';
import { shareOf, type Shard } from './shard.js';
import type { Squares } from './squares.js';
import { drawView } from './views.js';

/** Position of the next batch in the endless series of epochs. */
export interface LoaderPosition {
  /** Number of complete passes over all images. */
  epoch: number;
  /** Number of images already used in this epoch. */
  position: number;
}

export interface LoaderOptions {
  batchSize: number;
  /** Seed of order, crops and flips; a 32-bit integer, default 0. */
  seed?: number;
  /** Crop position for non-square images, default random; `resized` crops any image in a random size. */
  crop?: 'random' | 'center' | 'resized';
  /** `resized`: least and largest share of an image's area, default [0.08, 1]. */
  scale?: ResizedCrop['scale'] | undefined;
  /** `resized`: least and largest width by height, default [3/4, 4/3]. */
  ratio?: ResizedCrop['ratio'] | undefined;
  /**
   * Sides of the images, height and width, instead of the source's squares: each batch has those of one bucket, and each
   * image goes to the bucket with the nearest proportions. Not with `crop: 'resized'`.
   */
  buckets?: readonly Sides[] | undefined;
  /** Mirror half of the images, default true. */
  flip?: boolean;
  /** Position to continue from, as returned by `state()`; default the beginning. */
  position?: LoaderPosition;
  /** Number of batches to decode in advance, default 4. */
  prefetch?: number;
  /** Fields of the examples to read besides the image, such as `segmentation`; default none. */
  fields?: readonly string[];
  /** Default `cpu`. */
  device?: Device;
  /**
   * For one of several processes: its share of batches that all of them draw in the same order, so that no two see the
   * same image in an epoch. `batchSize` is that of this process. Default: alone.
   */
  shard?: Shard;
}

export interface Batch {
  /** float32 [B, C, size, size] in [-1, 1], or of a bucket's sides, with the channels of the source; the caller owns it. */
  images: Tensor;
  /** Index of each image in the source. */
  indices: number[];
  /** Class of each image, if the source has classes. */
  labels?: number[];
  /** The requested fields; the caller owns them. */
  fields: Record<string, Tensor>;
  /** Milliseconds spent waiting for images that were not ready yet. */
  waited: number;
}

interface Planned {
  indices: number[];
  views: View[];
  /** Height and width; undefined for the source's squares. */
  sides?: Sides;
  after: LoaderPosition;
}

/**
 * Loads endless batches for training, decoded ahead of the step. Each epoch has every image once in a new order; a
 * batch may extend into the next epoch. Order, crop and flip depend only on (seed, epoch, image), so that a loader
 * created with the `state()` of another continues exactly as that one would have.
 *
 * @example
 * ```ts
 * const { train, close } = await openImages({ path: 'photos', size: 64 });
 * const loader = new Loader(train, { batchSize: 16, seed: 1 });
 * const { images } = await loader.next(); // [16, 3, 64, 64]
 * loader.close();
 * await close();
 * ```
 */
export class Loader {
  #source: ImageSource;
  #options: Required<Omit<LoaderOptions, 'position' | 'scale' | 'ratio' | 'buckets'>> & ResizedCrop;
  #ahead: ReadAhead<Planned, Squares>;
  #given: LoaderPosition;

  constructor(source: ImageSource, options: LoaderOptions) {
    const { batchSize, seed = 0, crop = 'random', flip = true, prefetch = 4 } = options;
    const { fields = [], device = 'cpu' } = options;
    const { shard = { rank: 0, worldSize: 1, block: batchSize } } = options;
    const { scale = usualResizedCrop.scale, ratio = usualResizedCrop.ratio } = options;
    const { epoch, position } = options.position ?? { epoch: 0, position: 0 };
    checkIntegers('loader option', {
      batchSize: [batchSize, 1],
      prefetch: [prefetch, 0],
      'position.epoch': [epoch, 0],
      'position.position': [position, 0],
    });
    const order = options.buckets && bucketOrder(source, options.buckets, options);
    const length = order ? order.length * batchSize : source.length;
    if (position >= length) {
      throw new RangeError(
        `cannot continue at image ${position} of ${length}: the position is from other data`,
      );
    }
    this.#source = source;
    source.checkFields(fields);
    this.#options = { batchSize, seed, crop, scale, ratio, flip, prefetch, fields, device, shard };
    this.#given = { epoch, position };
    const read = ({ indices, views, sides }: Planned) => source.readSquares(indices, fields, views, sides);
    const plan = order
      ? this.#planBuckets(order, options.buckets!, { epoch, position })
      : this.#plan({ epoch, position });
    this.#ahead = new ReadAhead(plan, read, prefetch);
  }

  /** Returns the position of the next batch, to pass as `position` to a new loader. */
  state(): LoaderPosition {
    return { ...this.#given };
  }

  /**
   * Returns the next batch.
   * @throws ImageDataError for an image that cannot be decoded, with `onError: 'stop'`
   */
  async next(): Promise<Batch> {
    const pending = this.#ahead.next();
    if (pending === undefined) throw new Error('this loader is closed');
    const begun = performance.now();
    // Steps are synchronous: signals and decoders need a turn of the event loop.
    await setImmediate();
    const wasReady = pending.ready;
    const squares = await pending.result;
    const waited = wasReady ? 0 : performance.now() - begun;
    const { indices, after } = pending.item;
    this.#given = after;
    const { image: images, fields } = this.#source.toExample(squares, this.#options.device);
    const batch = { images, indices, fields, waited };
    if (this.#source.classes.length === 0) return batch;
    return { ...batch, labels: indices.map((i) => this.#source.label(i) as number) };
  }

  /** Stops decoding; the source stays open. */
  close(): void {
    this.#ahead.close();
  }

  *#plan({ epoch, position }: LoaderPosition): Generator<Planned> {
    const { batchSize, seed, shard } = this.#options;
    const order = new EpochOrder(this.#source.length, seed);
    for (;;) {
      const joint: { index: number; epoch: number }[] = [];
      while (joint.length < batchSize * shard.worldSize) {
        joint.push({ index: order.at(epoch, position), epoch });
        position += 1;
        if (position === this.#source.length) [epoch, position] = [epoch + 1, 0];
      }
      const own = shareOf(joint, shard);
      const views = own.map((image) => this.#view(image.epoch, image.index));
      yield { indices: own.map(({ index }) => index), views, after: { epoch, position } };
    }
  }

  *#planBuckets(
    order: BucketOrder,
    buckets: readonly Sides[],
    { epoch, position }: LoaderPosition,
  ): Generator<Planned> {
    const { batchSize } = this.#options;
    for (let batch = Math.floor(position / batchSize); ;) {
      const { bucket, indices } = order.at(epoch, batch);
      const views = indices.map((index) => this.#view(epoch, index));
      batch += 1;
      if (batch === order.length) [epoch, batch] = [epoch + 1, 0];
      yield { indices, views, sides: buckets[bucket]!, after: { epoch, position: batch * batchSize } };
    }
  }

  #view(epoch: number, index: number): View {
    const { seed } = this.#options;
    return drawView(
      new SeededRandom(new SeededRandom(seed, -1 - epoch).integer(2 ** 32), index),
      this.#options,
    );
  }
}

/** Assigns the images of a source to buckets. */
function bucketOrder(
  source: ImageSource,
  buckets: readonly Sides[],
  { batchSize, seed = 0, crop }: LoaderOptions,
): BucketOrder {
  if (crop === 'resized') {
    throw new RangeError(
      'crops of random size have the proportions that they are drawn with: leave out the buckets',
    );
  }
  checkIntegers('number of', { buckets: [buckets.length, 1] });
  const bucketOf = Uint16Array.from({ length: source.length }, (_, i) =>
    nearestBucket(source.sides(i), buckets),
  );
  return new BucketOrder(bucketOf, buckets.length, batchSize, seed);
}

export interface InOrderOptions {
  /** Mirror all images, default false. */
  flip?: boolean;
  /** Fields of the examples to read besides the image; default none. */
  fields?: readonly string[];
  /** Default `cpu`. */
  device?: Device;
}

/**
 * Yields every image once in order, cropped to its central square; decodes the next batch while the current one is
 * used. The last batch may be smaller. For held-out metrics and for extracting codes.
 *
 * @example
 * ```ts
 * const { heldOut, close } = await openImages({ path: 'photos', size: 64 });
 * for await (const { images } of inOrder(heldOut, 16)) console.log(images.shape); // [16, 3, 64, 64]
 * await close();
 * ```
 */
export async function* inOrder(
  source: ImageSource,
  batchSize: number,
  { flip = false, fields = [], device = 'cpu' }: InOrderOptions = {},
): AsyncGenerator<Pick<Batch, 'images' | 'fields' | 'indices'>, void, undefined> {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`the batch size must be a positive integer, got ${batchSize}`);
  }
  const batches = Array.from({ length: Math.ceil(source.length / batchSize) }, (_, batch) => {
    const from = batch * batchSize;
    return Array.from({ length: Math.min(batchSize, source.length - from) }, (__, i) => from + i);
  });
  const views = Array.from({ length: batchSize }, () => ({ ...centreView, flip }));
  const ahead = new ReadAhead(batches, (indices) => source.readSquares(indices, fields, views));
  for (let next = ahead.next(); next; next = ahead.next()) {
    await setImmediate();
    const { image: images, fields: read } = source.toExample(await next.result, device);
    yield { images, fields: read, indices: next.item };
  }
}
