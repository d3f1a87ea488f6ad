/** How a codebook is used. */

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
