/** How a codebook is used. */
import type { Metric } from './metric.js';

export interface CodebookUse {
  /** Codes chosen at least once. */
  used: number;
  /** exp of the entropy of the histogram: how many equally frequent codes would be as hard to guess. */
  perplexity: number;
}

/** How often each of `size` codes occurs. */
export function countCodesOf(codes: Iterable<number | bigint>, size: number): Float64Array {
  const counts = new Float64Array(size);
  for (const code of codes) {
    const index = Number(code);
    if (!(index >= 0 && index < size)) throw new RangeError(`code ${index} of a codebook of ${size}`);
    counts[index]!++;
  }
  return counts;
}

/** Entropy of a histogram, in nats: the least that a model without any context can reach. */
export function histogramEntropy(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let entropy = 0;
  for (const count of counts) if (count > 0) entropy -= (count / total) * Math.log(count / total);
  return entropy;
}

/** Codes in use and perplexity, from how often each code occurs (`countCodesOf`). */
export function codebookUse(counts: Float64Array): CodebookUse {
  return { used: counts.filter((count) => count > 0).length, perplexity: Math.exp(histogramEntropy(counts)) };
}

const codebookChart = 'codebook on held-out images';

/** Codes chosen at least once. */
export const codesInUse: Metric = {
  name: 'used',
  label: 'codes in use',
  short: 'codes',
  digits: 0,
  curve: { chart: codebookChart, name: 'codes in use', fromZero: true },
  ofCounts: (counts) => codebookUse(counts).used,
};

/** Perplexity of the codes' histogram. */
export const perplexity: Metric = {
  name: 'perplexity',
  label: 'codebook perplexity',
  short: 'perplexity',
  digits: 0,
  curve: { chart: codebookChart, name: 'perplexity', fromZero: true },
  ofCounts: (counts) => codebookUse(counts).perplexity,
};

/** Entropy of the histogram of held-out codes, to compare a second stage with. */
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
