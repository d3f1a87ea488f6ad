import { setImmediate } from 'node:timers/promises';
import type { Device, Tensor } from '../torch/index.js';
import type { ImageSource } from './image-source.js';
import type { View } from './picture.js';
import { centreView } from './picture.js';
import { SeededRandom } from './seeded-random.js';

/** Where in the endless series of epochs the next batch begins. */
export interface LoaderPosition {
  /** Passes over all pictures that are complete. */
  epoch: number;
  /** Pictures of this pass already given. */
  position: number;
}

export interface LoaderOptions {
  batchSize: number;
  /** Order, crops and flips follow from it; a 32-bit integer, default 0. */
  seed?: number;
  /** Which square of a picture longer than broad (default random). */
  crop?: 'random' | 'center';
  /** Mirror half of the pictures, default true. */
  flip?: boolean;
  /** Go on from here, as `state()` gave it; default the beginning. */
  position?: LoaderPosition;
  /** Batches decoded ahead of the one asked for, default 4. */
  prefetch?: number;
  /** Default `cpu`. */
  device?: Device;
}

export interface Batch {
  /** float32 [B, C, size, size] in [-1, 1], C as the source has channels; the caller owns it. */
  images: Tensor;
  /** Position of each picture in the source. */
  indices: number[];
  /** Class of each picture, where the source has classes. */
  labels?: number[];
  /** Milliseconds spent waiting for pictures that were not ready yet. */
  waited: number;
}

interface Pending {
  indices: number[];
  after: LoaderPosition;
  bytes: Promise<Uint8Array>;
  ready: boolean;
}

/**
 * Endless batches for training, decoded ahead of the step. Each epoch has every picture once in a new order; a batch
 * may reach into the next epoch. Order, crop and flip are functions of (seed, epoch, picture) alone, so that a loader
 * made with the `state()` of another goes on exactly as that one would have.
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
  #options: Required<Omit<LoaderOptions, 'position'>>;
  #queue: Pending[] = [];
  #given: LoaderPosition;
  #planned: LoaderPosition;
  #order: { epoch: number; items: number[] } | null = null;

  constructor(source: ImageSource, options: LoaderOptions) {
    const { batchSize, seed = 0, crop = 'random', flip = true, prefetch = 4, device = 'cpu' } = options;
    const { epoch, position } = options.position ?? { epoch: 0, position: 0 };
    for (const [name, value, least] of [
      ['batchSize', batchSize, 1],
      ['prefetch', prefetch, 0],
      ['position.epoch', epoch, 0],
      ['position.position', position, 0],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < least) {
        throw new RangeError(`loader option ${name} must be an integer from ${least}, got ${value}`);
      }
    }
    if (position >= source.length) {
      throw new RangeError(
        `cannot go on at picture ${position} of ${source.length}: this is not the data that the position was taken from`,
      );
    }
    this.#source = source;
    this.#options = { batchSize, seed, crop, flip, prefetch, device };
    this.#given = { epoch, position };
    this.#planned = { epoch, position };
    this.#fill();
  }

  /** Where the next batch begins: what `position` takes to go on from here. */
  state(): LoaderPosition {
    return { ...this.#given };
  }

  /** @throws ImageDataError for a picture that cannot be decoded, where such a one is to end the run */
  async next(): Promise<Batch> {
    this.#fill();
    const pending = this.#queue.shift();
    if (pending === undefined) throw new Error('this loader is closed');
    const begun = performance.now();
    // Steps are synchronous: without a turn of the event loop no signal, and no decoder, would ever be heard.
    await setImmediate();
    const wasReady = pending.ready;
    const bytes = await pending.bytes;
    const waited = wasReady ? 0 : performance.now() - begun;
    this.#given = pending.after;
    this.#fill();
    const { indices } = pending;
    const images = this.#source.toImages(bytes, this.#options.device);
    if (this.#source.classes.length === 0) return { images, indices, waited };
    return { images, indices, labels: indices.map((i) => this.#source.label(i) as number), waited };
  }

  /** Decodes nothing more; the source stays open. */
  close(): void {
    this.#options.batchSize = 0;
    this.#queue = [];
  }

  /** Keeps one batch to give and `prefetch` further ones under way. */
  #fill(): void {
    while (this.#options.batchSize > 0 && this.#queue.length <= this.#options.prefetch) {
      this.#queue.push(this.#plan());
    }
  }

  #plan(): Pending {
    const indices: number[] = [];
    const views: View[] = [];
    while (indices.length < this.#options.batchSize) {
      const { epoch, position } = this.#planned;
      const index = this.#orderOf(epoch)[position] as number;
      indices.push(index);
      views.push(this.#view(epoch, index));
      const last = position + 1 === this.#source.length;
      this.#planned = last ? { epoch: epoch + 1, position: 0 } : { epoch, position: position + 1 };
    }
    const bytes = this.#source.readBytes(indices, views);
    const pending: Pending = { indices, after: this.#planned, bytes, ready: false };
    const settled = () => (pending.ready = true);
    bytes.then(settled, settled); // An error is reported where the batch is asked for.
    return pending;
  }

  #orderOf(epoch: number): number[] {
    if (this.#order?.epoch !== epoch) {
      const all = Array.from({ length: this.#source.length }, (_, i) => i);
      this.#order = { epoch, items: new SeededRandom(this.#options.seed, epoch).shuffle(all) };
    }
    return this.#order.items;
  }

  #view(epoch: number, index: number): View {
    const { seed, crop, flip } = this.#options;
    const random = new SeededRandom(new SeededRandom(seed, -1 - epoch).integer(2 ** 32), index);
    const view = { x: random.next(), y: random.next(), flip: flip && random.chance(0.5) };
    return crop === 'center' ? { ...centreView, flip: view.flip } : view;
  }
}

/**
 * Every picture once, in order, its middle square, the next batch decoded while the last one is used; the last one
 * may be smaller. For held-out figures and for extracting codes.
 */
export async function* inOrder(
  source: ImageSource,
  batchSize: number,
  { flip = false, device = 'cpu' }: { flip?: boolean; device?: Device } = {},
): AsyncGenerator<{ images: Tensor; indices: number[] }, void, undefined> {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`the batch size must be a positive integer, got ${batchSize}`);
  }
  const read = (from: number) => {
    if (from >= source.length) return null;
    const count = Math.min(batchSize, source.length - from);
    const indices = Array.from({ length: count }, (_, i) => from + i);
    const bytes = source.readBytes(indices, Array(count).fill({ ...centreView, flip }));
    bytes.catch(() => {}); // Reported where it is awaited, if it ever is.
    return { indices, bytes };
  };
  for (let from = 0, next = read(from); next !== null;) {
    const { indices, bytes } = next;
    from += batchSize;
    next = read(from);
    await setImmediate();
    yield { images: source.toImages(await bytes, device), indices };
  }
}
