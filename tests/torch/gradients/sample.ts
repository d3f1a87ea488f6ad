import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';

/** Where a sample's numbers lie: away from the kinks and edges of what is called with them. */
export type Domain = readonly [low: number, high: number];
export const ANY: Domain = [-1.3, 1.4];
export const UNIT: Domain = [0.1, 0.9];
export const ABOVE_ONE: Domain = [1.1, 2.6];

/** Numbers scattered over a domain, none equal to another, the same at every run. */
export function spread(count: number, [low, high]: Domain, seed = 0): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => {
    const scattered = Math.sin((k + 1) * 12.9898 + (seed + 1) * 78.233) * 43758.5453;
    return low + (high - low) * (scattered - Math.floor(scattered));
  });
}

/** A float64 leaf that asks for gradients. */
export function leaf(shape: readonly number[], domain: Domain = ANY, seed = 0): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return torch.fromTypedArray(spread(count, domain, seed), shape, { requiresGrad: true });
}

/** A tensor that is no input of the check: indices, masks, targets. */
export function fixed(data: torch.TensorData, dtype: DType = 'int64'): Tensor {
  return torch.tensor(data, { dtype });
}

/** An argument made from a leaf by operators: complex, sparse, symmetric. */
export class Derived {
  readonly from: Tensor;
  readonly make: (leaf: Tensor) => unknown;
  constructor(from: Tensor, make: (leaf: Tensor) => unknown) {
    this.from = from;
    this.make = make;
  }
}

/** A complex128 argument of this shape. */
export function complex(shape: readonly number[], domain: Domain = ANY, seed = 0): Derived {
  return new Derived(leaf([...shape, 2], domain, seed), (x) => x.viewAsComplex());
}

/** A symmetric positive definite matrix. */
export function positiveDefinite(size: number): Derived {
  return new Derived(leaf([size, size]), (x) =>
    x.matmul(x.t()).add(torch.eye(size, size, { dtype: 'float64' })),
  );
}

/** What an overload is called with. */
export interface Sample {
  args: readonly unknown[];
  kwargs?: Readonly<Record<string, unknown>>;
  /** Where the result as it is cannot be differentiated or compared: what of it is. */
  compare?: (results: readonly unknown[]) => unknown;
}

/** Makes the samples of overloads; arguments in the schema's order, those behind the `*` as well. */
export type Samples = Record<string, () => readonly unknown[] | Sample>;
