/**
 * A count model of code grids: predicts each code from its left and upper neighbours. A transformer must beat it to
 * have learnt more than which codes are next to each other.
 *
 * Smoothing is hierarchical (MacKay and Peto, 1995): with concentration a, a context's counts n give
 * (n(x) + a·q(x)) / (n + a), where q is the distribution with less context; pairs back off to a mixture of the left
 * and upper neighbours' distributions, these to the histogram, and the histogram to the uniform distribution.
 * Concentrations and mixture are chosen on every tenth training grid, then all grids are counted.
 */
import type { Metric } from './metric.js';

export interface CountModelOptions {
  /** Number of different codes. */
  size: number;
  /** Codes in a row of the grid. */
  width: number;
}

/** Codes of a grid, row by row from left to right. */
export type CodeGrid = ArrayLike<number>;

interface Settings {
  single: number;
  pair: number;
  /** Weight of the left neighbour against the upper one. */
  left: number;
}

const concentrations = [1, 4, 16, 64, 256, 1024];

/** Counts of keys in sorted arrays with binary search: few bytes per key. */
class Counts {
  readonly #keys: Float64Array;
  readonly #counts: Float64Array;

  constructor(keys: Float64Array) {
    keys.sort();
    const distinct = new Float64Array(keys.length);
    const counts = new Float64Array(keys.length);
    let last = -1;
    for (const key of keys) {
      if (last < 0 || distinct[last] !== key) distinct[++last] = key;
      counts[last]!++;
    }
    this.#keys = distinct.slice(0, last + 1);
    this.#counts = counts.slice(0, last + 1);
  }

  get(key: number): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return this.#keys[low] === key ? this.#counts[low]! : 0;
  }
}

/** Called with a code and its left and upper neighbours; `size` stands for the border. */
type Visit = (code: number, left: number, up: number) => void;

function visit(grids: readonly CodeGrid[], { size, width }: CountModelOptions, see: Visit): void {
  for (const grid of grids) {
    for (let i = 0; i < grid.length; i++) {
      see(grid[i]!, i % width === 0 ? size : grid[i - 1]!, i < width ? size : grid[i - width]!);
    }
  }
}

class Tables {
  readonly #options: CountModelOptions;
  readonly #total: number;
  readonly #codes: Counts;
  readonly #lefts: Counts;
  readonly #ups: Counts;
  readonly #pairs: Counts;
  readonly #leftCodes: Counts;
  readonly #upCodes: Counts;
  readonly #pairCodes: Counts;

  constructor(grids: readonly CodeGrid[], options: CountModelOptions) {
    this.#options = options;
    this.#total = grids.reduce((sum, grid) => sum + grid.length, 0);
    const base = options.size + 1;
    const count = (key: (code: number, left: number, up: number) => number) => {
      const keys = new Float64Array(this.#total);
      let i = 0;
      visit(grids, options, (code, left, up) => (keys[i++] = key(code, left, up)));
      return new Counts(keys);
    };
    this.#codes = count((code) => code);
    this.#lefts = count((_, left) => left);
    this.#ups = count((_, __, up) => up);
    this.#pairs = count((_, left, up) => left * base + up);
    this.#leftCodes = count((code, left) => left * base + code);
    this.#upCodes = count((code, _, up) => up * base + code);
    this.#pairCodes = count((code, left, up) => (left * base + up) * base + code);
  }

  #probability(code: number, left: number, up: number, { single, pair, left: share }: Settings): number {
    const { size } = this.#options;
    const base = size + 1;
    const histogram = (this.#codes.get(code) + 1) / (this.#total + size);
    const byLeft =
      (this.#leftCodes.get(left * base + code) + single * histogram) / (this.#lefts.get(left) + single);
    const byUp = (this.#upCodes.get(up * base + code) + single * histogram) / (this.#ups.get(up) + single);
    const mixed = share * byLeft + (1 - share) * byUp;
    const context = left * base + up;
    return (this.#pairCodes.get(context * base + code) + pair * mixed) / (this.#pairs.get(context) + pair);
  }

  /** Returns the cross-entropy of grids in nats per code. */
  crossEntropy(grids: readonly CodeGrid[], settings: Settings): number {
    let sum = 0;
    let count = 0;
    visit(grids, this.#options, (code, left, up) => {
      sum -= Math.log(this.#probability(code, left, up, settings));
      count++;
    });
    return sum / count;
  }
}

/**
 * Returns the cross-entropy of `heldOut` under a count model of `train`, in nats per code.
 *
 * @example
 * ```ts
 * const grids = Array.from({ length: 20 }, () => [0, 1, 0, 1]);
 * countModelCrossEntropy(grids.slice(2), grids.slice(0, 2), { size: 2, width: 2 }); // near 0: rows are alike
 * ```
 */
export function countModelCrossEntropy(
  train: readonly CodeGrid[],
  heldOut: readonly CodeGrid[],
  options: CountModelOptions,
): number {
  if (train.length === 0 || heldOut.length === 0) {
    throw new RangeError('a count model needs at least one grid to count and one held-out grid to measure');
  }
  const settings = chooseSettings(train, options);
  return new Tables(train, options).crossEntropy(heldOut, settings);
}

function chooseSettings(train: readonly CodeGrid[], options: CountModelOptions): Settings {
  let best: Settings = { single: 16, pair: 16, left: 0.5 };
  if (train.length < 10) return best;
  const tables = new Tables(
    train.filter((_, i) => i % 10 !== 0),
    options,
  );
  // A few dozen grids are enough to compare settings.
  const tenth = train.filter((_, i) => i % 10 === 0).slice(0, 40);
  let least = Infinity;
  const attempt = (settings: Settings) => {
    const entropy = tables.crossEntropy(tenth, settings);
    if (entropy < least) [least, best] = [entropy, settings];
  };
  for (const single of concentrations)
    for (const pair of concentrations) attempt({ single, pair, left: 0.5 });
  const { single, pair } = best;
  for (const left of [0.2, 0.35, 0.65, 0.8]) attempt({ single, pair, left });
  return best;
}

/** Cross-entropy of the count model, a baseline for the second stage. */
export const countModel: Metric = {
  name: 'countModel',
  label: 'cross-entropy of counting left and upper neighbours',
  short: 'counting',
  unit: 'nats',
  digits: 3,
  atEnd: true,
  level: { of: 'heldOutLoss', name: 'counting neighbours' },
  ofGrids: ({ train, heldOut, size, width }) => countModelCrossEntropy(train, heldOut, { size, width }),
};
