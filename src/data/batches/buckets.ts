/** Batches of images that are not square: each image goes to the sides, a bucket, that fit it best. */
import type { Sides } from './crop.js';
import { EpochOrder } from './epoch-order.js';
import { SeededRandom } from '../seeded-random.js';

const pattern = /^([1-9]\d*)x([1-9]\d*)$/;

/** True for buckets as settings name them, width by height: `["80x48", "64x64"]`. */
export function areBuckets(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => pattern.test(String(item)));
}

/** Returns the sides of buckets. */
export function sidesOfBuckets(buckets: readonly string[]): Sides[] {
  return buckets.map((text) => {
    const [, width, height] = pattern.exec(text)!;
    return [Number(height), Number(width)];
  });
}

/**
 * Returns the bucket of an image: the one with the nearest proportions, by the logarithm of width by height; of several
 * with the same, the largest that has not more pixels than the image, or else the smallest. The first wins a tie.
 */
export function nearestBucket(
  { width, height }: { width: number; height: number },
  buckets: readonly Sides[],
): number {
  const distance = ([h, w]: Sides) => Math.abs(Math.log((width * h) / (height * w)));
  const least = Math.min(...buckets.map(distance));
  const near = [...buckets.keys()].filter((i) => distance(buckets[i]!) <= least + 1e-9);
  const area = (i: number) => buckets[i]![0] * buckets[i]![1];
  const small = near.filter((i) => area(i) <= width * height);
  const better = (a: number, b: number) =>
    small.length > 0 ? (area(b) > area(a) ? b : a) : area(b) < area(a) ? b : a;
  return (small.length > 0 ? small : near).reduce(better);
}

/** A batch of images that go to the same bucket. */
export interface BucketBatch {
  bucket: number;
  indices: number[];
}

/**
 * Arranges images in batches of one bucket each, as a function of the seed and the epoch alone. An epoch has every image
 * at least once: the last batch of each bucket is completed with its first images. Takes 10 bytes an image.
 */
export class BucketOrder {
  /** Number of batches of an epoch. */
  readonly length: number;
  readonly #bucketOf: Uint16Array;
  readonly #counts: number[];
  readonly #batchSize: number;
  readonly #seed: number;
  readonly #order: EpochOrder;
  #epoch: { number: number; batches: Uint32Array; order: Uint32Array } | null = null;

  /** Takes the bucket of each image, and their number. */
  constructor(bucketOf: Uint16Array, buckets: number, batchSize: number, seed: number) {
    this.#bucketOf = bucketOf;
    this.#counts = Array.from({ length: buckets }, () => 0);
    for (const bucket of bucketOf) this.#counts[bucket]!++;
    this.#batchSize = batchSize;
    this.#seed = seed;
    this.#order = new EpochOrder(bucketOf.length, seed);
    this.length = this.#counts.reduce((sum, count) => sum + Math.ceil(count / batchSize), 0);
  }

  /** Returns a batch of an epoch. */
  at(epoch: number, batch: number): BucketBatch {
    if (this.#epoch?.number !== epoch) this.#epoch = this.#arrange(epoch);
    const { batches, order } = this.#epoch;
    const from = order[batch]! * this.#batchSize;
    const indices = [...batches.subarray(from, from + this.#batchSize)];
    return { bucket: this.#bucketOf[indices[0]!]!, indices };
  }

  /** Lays the batches of one bucket after those of another, and shuffles their order. */
  #arrange(epoch: number) {
    const size = this.#batchSize;
    const batches = new Uint32Array(this.length * size);
    const starts: number[] = [];
    let start = 0;
    for (const count of this.#counts) {
      starts.push(start);
      start += Math.ceil(count / size) * size;
    }
    const filled = [...starts];
    for (let i = 0; i < this.#bucketOf.length; i++) {
      const image = this.#order.at(epoch, i);
      const bucket = this.#bucketOf[image]!;
      batches[filled[bucket]!] = image;
      filled[bucket]!++;
    }
    for (const [bucket, count] of this.#counts.entries()) {
      const whole = Math.ceil(count / size) * size;
      for (let i = count; i < whole; i++)
        batches[starts[bucket]! + i] = batches[starts[bucket]! + i - count]!;
    }
    const order = Uint32Array.from({ length: this.length }, (_, i) => i);
    new SeededRandom(new SeededRandom(this.#seed, epoch).integer(2 ** 32), -1).permute(order);
    return { number: epoch, batches, order };
  }
}
