import type { Check, Weights } from './data.js';

/**
 * Weights together with the checks that depend on them. `tests/long/golden.ts` changes one tensor at a time
 * and demands that some check fails.
 */
export interface Subject {
  name: string;
  /** The golden weights. */
  weights: Weights;
  /** Keys of constants, such as masks, which are not perturbed. */
  leftAlone?: RegExp;
  /** Groups of checks, cheapest first; each loads the weights it is given. */
  checks: ((weights: Weights) => Check[])[];
  /** Tensors that influence nothing by mathematics, by key, with the reason. */
  exceptions: ReadonlyMap<string, string>;
}
