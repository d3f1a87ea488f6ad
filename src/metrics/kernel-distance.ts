/** Kernel distance of features, which with the features of Inception is KID (arXiv 1801.01401). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featurePair } from './features.js';
import { meanAndDeviation, type MeanAndDeviation } from './mean-and-deviation.js';

/** Rows of the first and of the second set of features that are compared. */
export type RowSubsets = readonly (readonly [first: readonly number[], second: readonly number[]])[];

export interface KernelDistanceOptions {
  /** Pairs of row lists, or their number: random ones of `subsetSize` different rows. Default 100. */
  subsets?: number | RowSubsets;
  /** Rows in each random subset. Default 1000, or all rows of the smaller set if it has fewer. */
  subsetSize?: number;
  /** Seed of the random subsets. Default 0. */
  seed?: number;
  /** True for the biased estimate, which is never negative: kernels of rows with themselves count. Default false. */
  biased?: boolean;
}

const DEFAULT_SUBSETS = 100;
const DEFAULT_SIZE = 1000;

/**
 * Returns the squared maximum mean discrepancy between two sets of features [N, D] and [M, D] with the kernel
 * (x·y / D + 1)³: mean and population standard deviation over subsets, in float64 on the CPU. With Inception's features
 * it is KID. The estimate is unbiased, and so may be negative.
 *
 * @throws ShapeError for features of different widths; RangeError for subsets that the features do not have
 *
 * @example
 * ```ts
 * const [real, fake] = [torch.randn([50, 8]), torch.randn([40, 8])];
 * const { mean, std } = kernelDistance(real, fake, { subsets: 10, subsetSize: 20, seed: 1 });
 * ```
 */
export function kernelDistance(
  featuresA: Tensor,
  featuresB: Tensor,
  options: KernelDistanceOptions = {},
): MeanAndDeviation {
  return unrecorded(() => {
    const { a, b } = featurePair(featuresA, featuresB, 'kernelDistance');
    const subsets = subsetsOf(a.shape[0]!, b.shape[0]!, options);
    const values = subsets.map(([first, second]) =>
      torch.scope(() => discrepancy(rowsOf(a, first), rowsOf(b, second), options.biased ?? false)),
    );
    return meanAndDeviation(values);
  });
}

function discrepancy(a: Tensor, b: Tensor, biased: boolean): number {
  const within = (x: Tensor) => {
    const values = kernel(x, x);
    const count = x.shape[0]!;
    return biased ? values.mean().item() : values.sum().sub(values.trace()).item() / (count * (count - 1));
  };
  return within(a) + within(b) - 2 * kernel(a, b).mean().item();
}

function kernel(a: Tensor, b: Tensor): Tensor {
  return a.matmul(b.transpose(0, 1)).div(a.shape[1]!).add(1).pow(3);
}

const rowsOf = (features: Tensor, rows: readonly number[]): Tensor =>
  features.indexSelect(0, torch.tensor([...rows], { dtype: 'int64' }));

function subsetsOf(countA: number, countB: number, options: KernelDistanceOptions): RowSubsets {
  const { subsets = DEFAULT_SUBSETS, seed = 0 } = options;
  if (typeof subsets !== 'number') return checkedSubsets(subsets, [countA, countB]);
  if (!(Number.isSafeInteger(subsets) && subsets > 0)) {
    throw new RangeError(`subsets is a positive number, or pairs of row lists; got ${subsets}`);
  }
  const least = Math.min(countA, countB);
  const size = options.subsetSize ?? Math.min(DEFAULT_SIZE, least);
  if (!(Number.isSafeInteger(size) && size >= 2 && size <= least)) {
    throw new RangeError(
      `subsetSize is a number of rows from 2 to ${least}, the rows of the smaller set; got ${size}`,
    );
  }
  const generator = new torch.Generator().manualSeed(seed);
  const draw = (count: number) =>
    Array.from(
      torch.randperm(count, { generator }).narrow(0, 0, size).toTypedArray() as BigInt64Array,
      Number,
    );
  return Array.from({ length: subsets }, () => [draw(countA), draw(countB)] as const);
}

function checkedSubsets(subsets: RowSubsets, counts: readonly [number, number]): RowSubsets {
  if (subsets.length === 0) throw new RangeError('subsets is empty; give at least one pair of row lists');
  for (const pair of subsets) {
    for (const [i, rows] of pair.entries()) {
      const count = counts[i]!;
      const wrong = rows.find((row) => !(Number.isSafeInteger(row) && row >= 0 && row < count));
      if (wrong !== undefined) throw new RangeError(`row ${wrong} of a subset is not one of ${count} rows`);
      if (rows.length < 2) throw new RangeError(`a subset has ${rows.length} rows; it needs at least two`);
    }
  }
  return subsets;
}
