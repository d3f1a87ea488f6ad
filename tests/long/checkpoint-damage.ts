/** Copies of whole checkpoint files with something damaged; seeded. */
import { partsOf, zipOf } from './zip-of.js';

/** Reproducible numbers. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** In [0, limit). */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const numbers = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0xffffffffn,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Ways to damage bytes. */
const damages: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer>> = {
  bits: (bytes, random) => {
    const damaged = Buffer.from(bytes);
    for (let i = 1 + random.below(8); i > 0; i--)
      damaged[random.below(damaged.length)]! ^= 1 << random.below(8);
    return damaged;
  },
  bytes: (bytes, random) => {
    const damaged = Buffer.from(bytes);
    const start = random.below(damaged.length);
    for (let i = start; i < Math.min(damaged.length, start + 1 + random.below(32)); i++)
      damaged[i] = random.below(256);
    return damaged;
  },
  truncated: (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  removed: (bytes, random) => {
    const start = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + 1 + random.below(200))]);
  },
  repeated: (bytes, random) => {
    const start = random.below(bytes.length);
    const end = start + 1 + random.below(400);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  extended: (bytes, random) =>
    Buffer.concat([bytes, Buffer.alloc(1 + random.below(2000), random.below(256))]),
  number: (bytes, random) => {
    const damaged = Buffer.from(bytes);
    const size = random.of([1, 2, 4, 8]);
    const value = BigInt.asUintN(8 * size, random.of(numbers));
    const field = Buffer.alloc(8);
    field.writeBigUInt64LE(value);
    field.copy(damaged, random.below(Math.max(1, damaged.length - size)), 0, size);
    return damaged;
  },
  swapped: (bytes, random) => {
    const size = Math.min(1 + random.below(300), bytes.length >> 1);
    const [a, b] = [random.below(bytes.length - size), random.below(bytes.length - size)];
    const damaged = Buffer.from(bytes);
    bytes.copy(damaged, a, b, b + size);
    bytes.copy(damaged, b, a, a + size);
    return damaged;
  },
};

export interface Attack {
  name: string;
  bytes: Buffer;
  /** True if a load that differs from the whole file must be detected: checksums cover the changed bytes. */
  detectable: boolean;
}

/** A damaged copy of a whole file. */
export function damaged(name: string, whole: Buffer, random: Random): Attack {
  const way = random.of(Object.keys(damages));
  return { name: `${name}: ${way}`, bytes: damages[way]!(whole, random), detectable: true };
}

/** A zip file whose pickle is damaged and whose checksum is right all the same. */
export function repacked(name: string, whole: Buffer, random: Random): Attack {
  const parts = partsOf(whole).map((part) => {
    if (!part.name.endsWith('data.pkl')) return part;
    let { bytes } = part;
    for (let i = 1 + random.below(3); i > 0; i--)
      bytes = damages[random.of(['bits', 'bytes', 'removed', 'repeated', 'number', 'swapped'])]!(
        bytes,
        random,
      );
    return { ...part, bytes };
  });
  return { name: `${name}: pickle repacked`, bytes: zipOf(parts), detectable: false };
}
