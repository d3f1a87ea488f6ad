/** Distances between rows of features, in blocks: a full table of 50,000 × 50,000 would take 20 GB. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Rows of a block. */
const BLOCK = 512;

/**
 * Calls `visit` with the squared distances [n, M] between n rows of `a` [N, D] and all rows of `b` [M, D], block after
 * block, and the number of the block's first row. They are exact for small integers; otherwise the error is that of
 * squared lengths.
 */
export function eachBlock(a: Tensor, b: Tensor, visit: (squared: Tensor, from: number) => void): void {
  const lengths = b.square().sum([1]); // [M]
  for (let from = 0; from < a.shape[0]!; from += BLOCK) {
    torch.scope(() => {
      const rows = a.narrow(0, from, Math.min(BLOCK, a.shape[0]! - from));
      const products = rows.matmul(b.transpose(0, 1)).mul(-2);
      visit(
        products
          .add(lengths)
          .add(rows.square().sum([1], true))
          .clamp(0),
        from,
      );
    });
  }
}

/** Returns the squared distance of each row of `x` [N, D] to its k-th nearest other row: [N]. */
export function neighbourRadii(x: Tensor, k: number): Tensor {
  const radii: Tensor[] = [];
  eachBlock(x, x, (squared, from) => {
    squared.narrow(1, from, squared.shape[0]!).fillDiagonal_(Infinity);
    radii.push(torch.keep(squared.kthvalue(k, 1)[0]));
  });
  return joined(radii);
}

/** Returns kept tensors as one tensor of the current scope, and disposes of them. */
export function joined(parts: readonly Tensor[]): Tensor {
  const whole = torch.cat([...parts]);
  for (const part of parts) part.dispose();
  return whole;
}
