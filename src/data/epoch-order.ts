import { SeededRandom } from './seeded-random.js';

/** Positions 0 … count−1, each once an epoch, in an order that follows from the seed and the epoch alone. */
export class EpochOrder {
  readonly #count: number;
  readonly #seed: number;
  #order: { epoch: number; items: number[] } | null = null;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  /** The item at a position of an epoch. */
  at(epoch: number, position: number): number {
    if (this.#order?.epoch !== epoch) {
      const all = Array.from({ length: this.#count }, (_, i) => i);
      this.#order = { epoch, items: new SeededRandom(this.#seed, epoch).shuffle(all) };
    }
    return this.#order.items[position] as number;
  }
}
