import { SeededRandom } from './seeded-random.js';

/** Orders the indices 0 … count−1, each once per epoch, as a function of the seed and the epoch alone. */
export class EpochOrder {
  readonly #count: number;
  readonly #seed: number;
  #order: { epoch: number; items: number[] } | null = null;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  /** Returns the index at a position of an epoch. */
  at(epoch: number, position: number): number {
    if (this.#order?.epoch !== epoch) {
      const all = Array.from({ length: this.#count }, (_, i) => i);
      this.#order = { epoch, items: new SeededRandom(this.#seed, epoch).shuffle(all) };
    }
    return this.#order.items[position] as number;
  }
}
