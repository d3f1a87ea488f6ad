/** Entropies of chosen codes, counted instead of taken from probabilities, with the gradients of BSQ's implementation. */
import type { Tensor } from '../../torch/index.js';

/** What is added to the count of each code. */
const SMOOTHING = 1e-4;

/**
 * Returns the entropy of the shares of chosen codes, smoothed, a scalar. Signs, [B, h, w, D] of ±1, move by
 * −(log p + 1) / (N·D) times themselves, with the share p of their code (arXiv 1911.05894, section 3.2). Codes that nobody
 * chose are counted without a list of all 2^D.
 */
export function hardCodeEntropy(signs: Tensor): Tensor {
  const width = signs.shape.at(-1)!;
  const rows = signs.detach().reshape([-1, width]); // [N, D]
  const tokens = rows.shape[0]!;
  const [codes, inverse, counts] = rows.gt(0).uniqueDim(0, { returnInverse: true, returnCounts: true });
  const all = 2 ** width;
  const total = tokens + all * SMOOTHING;
  const shares = counts.to(signs.dtype).add(SMOOTHING).div(total); // [chosen]
  const unused = SMOOTHING / total;
  const rest = (all - codes.shape[0]!) * unused * Math.log(unused);
  const value = shares.mul(shares.log()).sum().add(rest).neg();
  const slopes = shares
    .log()
    .add(1)
    .neg()
    .div(tokens * width); // of each code
  const slope = slopes.indexSelect(0, inverse).unsqueeze(1).mul(rows); // [N, D]
  const moved = signs.reshape([-1, width]).sub(rows); // 0, with the gradient of the signs
  return value.add(moved.mul(slope).sum());
}

/** Returns the entropy of each bit's share of ones in an image, added up over bits: the mean over images, a scalar. */
export function bitShareEntropy(signs: Tensor): Tensor {
  const ones = signs.add(1).div(2).mean([1, 2]); // [B, D]
  const zeros = ones.neg().add(1);
  const log = (p: Tensor): Tensor => p.add(1e-8).log();
  return ones
    .mul(log(ones))
    .add(zeros.mul(log(zeros)))
    .sum([-1])
    .neg()
    .mean();
}
