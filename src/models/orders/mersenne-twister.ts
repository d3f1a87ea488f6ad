const N = 624;
const M = 397;

/**
 * MT19937 (Matsumoto and Nishimura, 1998) with the integer seeding and bounded draws of numpy's legacy
 * `RandomState`, so that permutations are identical.
 */
export class MersenneTwister {
  #state = new Uint32Array(N);
  #next = N;

  constructor(seed: number) {
    this.#state[0] = seed >>> 0;
    for (let i = 1; i < N; i++) {
      const previous = this.#state[i - 1]!;
      this.#state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Returns a uniform integer in [0, 2³²). */
  uint32(): number {
    if (this.#next === N) this.#twist();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Returns a uniform integer in [0, max]; draws under the smallest covering bit mask until a value fits. */
  upTo(max: number): number {
    if (max === 0) return 0;
    const mask = 2 ** (32 - Math.clz32(max)) - 1;
    for (;;) {
      const value = (this.uint32() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  /** Returns a permutation of 0 … size − 1, equal to `numpy.random.RandomState(seed).permutation(size)`. */
  permutation(size: number): number[] {
    const items = Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const j = this.upTo(i);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }

  #twist(): void {
    const s = this.#state;
    for (let i = 0; i < N; i++) {
      const y = (s[i]! & 0x80000000) | (s[(i + 1) % N]! & 0x7fffffff);
      s[i] = s[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
