/** Order of the rows of codes in training. */
import { EpochOrder } from '../../../data/batches/epoch-order.js';
import { SeededRandom } from '../../../data/seeded-random.js';
import { shareOf, type Shard } from '../../../data/batches/shard.js';

/**
 * Endless batches of rows. An epoch has one row of every image; order and views depend only on the seed and the epoch.
 * With the same seed, a trainer has the same order.
 *
 * @example
 * ```ts
 * using set = await TokenSet.open('tokens');
 * const { train } = set.divide();
 * const order = new RowOrder(train.length, 1, 0, set.views);
 * const rows = order.next(8); // image · views + view, of 8 images
 * const images = rows.map((row) => train[Math.floor(row / set.views)]!);
 * const ids = set.read(images, rows.map((row) => row % set.views)); // int64 [8, h · w]
 * console.log(ids.shape, order.position);
 * ```
 */
export class RowOrder {
  readonly #count: number;
  readonly #views: number;
  readonly #seed: number;
  readonly #order: EpochOrder;
  #position: number;

  /**
   * @param count number of images
   * @param position rows returned before
   * @param views rows of each image, which follow each other
   */
  constructor(count: number, seed: number, position = 0, views = 1) {
    this.#count = count;
    this.#views = views;
    this.#seed = seed;
    this.#order = new EpochOrder(count, seed);
    this.#position = position;
  }

  /** Number of rows returned so far. */
  get position(): number {
    return this.#position;
  }

  /** Returns the rows of a batch; of the batches of several processes together, those of the given share. */
  next(batchSize: number, shard: Shard = { rank: 0, worldSize: 1, block: batchSize }): number[] {
    const joint = Array.from({ length: batchSize * shard.worldSize }, () => {
      const at = this.#position++;
      const epoch = Math.floor(at / this.#count);
      const image = this.#order.at(epoch, at % this.#count);
      return image * this.#views + this.#view(epoch, image);
    });
    return shareOf(joint, shard);
  }

  #view(epoch: number, image: number): number {
    if (this.#views === 1) return 0;
    const stream = new SeededRandom(this.#seed, -1 - epoch).integer(2 ** 32);
    return new SeededRandom(stream, image).integer(this.#views);
  }
}
