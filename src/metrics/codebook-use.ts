/** Metrics of the use of a codebook. */
import type { Tensor } from '../torch/index.js';
import type { Metric } from './metric.js';

export interface CodebookUse {
  /** Number of codes that occur at least once. */
  used: number;
  /** `used` as a share of the codebook. */
  share: number;
  /** exp of the histogram's entropy: the number of equally frequent codes that would be as hard to guess. */
  perplexity: number;
  /** The histogram's entropy in bits: the least that a code costs if it is stored without its context. */
  entropyBits: number;
}

/**
 * Counts how often each of `size` codes occurs.
 *
 * @example
 * ```ts
 * const counts = countCodesOf([0, 2, 2], 4); // [1, 0, 2, 0]
 * ```
 */
export function countCodesOf(codes: Iterable<number | bigint>, size: number): Float64Array {
  const counts = new Float64Array(size);
  for (const code of codes) {
    const index = Number(code);
    if (!(index >= 0 && index < size))
      throw new RangeError(`code ${index} is out of range for a codebook of ${size}`);
    counts[index]!++;
  }
  return counts;
}

/**
 * Returns the entropy of a histogram in nats: the lowest cross-entropy of a model without context.
 *
 * @example
 * ```ts
 * const codes = [0, 1, 1, 0];
 * histogramEntropy(countCodesOf(codes, 2)); // 0.693…, ln 2
 * ```
 */
export function histogramEntropy(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let entropy = 0;
  for (const count of counts) if (count > 0) entropy -= (count / total) * Math.log(count / total);
  return entropy;
}

/**
 * Returns how much of a codebook of `nEmbed` codes is used by indices, or by the counts of `countCodesOf`.
 *
 * @param indices int64 of any shape, or numbers
 * @throws RangeError for an index outside of the codebook
 *
 * @example
 * ```ts
 * const { used, perplexity } = codebookUse(torch.tensor([[0n, 1n], [1n, 0n]]), 16); // 2 codes, perplexity 2
 * ```
 */
export function codebookUse(indices: Tensor | Iterable<number | bigint>, nEmbed: number): CodebookUse;
export function codebookUse(counts: Float64Array): CodebookUse;
export function codebookUse(
  given: Tensor | Iterable<number | bigint> | Float64Array,
  nEmbed?: number,
): CodebookUse {
  const counts = nEmbed === undefined ? (given as Float64Array) : countCodesOf(numbersOf(given), nEmbed);
  const used = counts.filter((count) => count > 0).length;
  const entropy = histogramEntropy(counts);
  return {
    used,
    share: used / counts.length,
    perplexity: Math.exp(entropy),
    entropyBits: entropy / Math.LN2,
  };
}

const numbersOf = (given: Tensor | Iterable<number | bigint>): Iterable<number | bigint> =>
  Symbol.iterator in given ? given : (given.flatten().to('cpu').toTypedArray() as BigInt64Array);

const codebookChart = 'codebook on held-out images';

/** Number of codes that occur at least once. */
export const codesInUse: Metric = {
  name: 'used',
  label: 'codes in use',
  short: 'codes',
  digits: 0,
  better: 'higher',
  curve: { chart: codebookChart, name: 'codes in use', fromZero: true },
  ofCounts: (counts) => codebookUse(counts).used,
};

/** Perplexity of the histogram of codes. */
export const perplexity: Metric = {
  name: 'perplexity',
  label: 'codebook perplexity',
  short: 'perplexity',
  digits: 0,
  better: 'higher',
  curve: { chart: codebookChart, name: 'perplexity', fromZero: true },
  ofCounts: (counts) => codebookUse(counts).perplexity,
};

/** Entropy of the histogram of held-out codes, a baseline for the second stage. */
export const histogramMetric: Metric = {
  name: 'histogramEntropy',
  label: "entropy of the codes' histogram",
  short: 'histogram',
  unit: 'nats',
  digits: 3,
  atEnd: true,
  level: { of: 'heldOutLoss', name: 'histogram' },
  ofGrids: ({ heldOut, size }) => histogramEntropy(countCodesOf(heldOut.flat(), size)),
};
