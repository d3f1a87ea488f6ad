import { SeededRandom } from '../seeded-random.js';

/**
 * Orders the indices 0 … count−1, each once per epoch, as a function of the seed and the epoch alone. Takes 4 bytes an
 * index, in one block that is used again for each epoch.
 */
export class EpochOrder {
  readonly #count: number;
  readonly #seed: number;
  #order: { epoch: number; items: Uint32Array } | null = null;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  /** Returns the index at a position of an epoch. */
  at(epoch: number, position: number): number {
    if (this.#order?.epoch !== epoch) {
      const items = this.#order?.items ?? new Uint32Array(this.#count);
      for (let i = 0; i < items.length; i++) items[i] = i;
      new SeededRandom(this.#seed, epoch).permute(items);
      this.#order = { epoch, items };
    }
    return this.#order.items[position] as number;
  }
}
