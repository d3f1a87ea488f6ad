/** Terms of a quantizer's loss that keep its codes apart or in use. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';

/** Least squared distance whose root is taken: at 0 its gradient would be infinite. */
const SMALLEST = 1e-20;

/** Codebooks [C, K, d] at two times. */
export interface Moving {
  /** When codes were chosen. */
  before: Tensor;
  /** After they moved. */
  after: Tensor;
}

/**
 * Returns how near codes are to latents, to be compared by softmax: minus the distance, or the dot product. It is that of
 * the codes before they moved, with the gradient towards where they are after, because in the published implementation
 * codes have moved by the time of the backward pass.
 *
 * @param points latents [C, R, n, d]
 * @returns [C, R, n, K]
 */
export function nearness(points: Tensor, { before, after }: Moving, cosine: boolean): Tensor {
  const flat = points.reshape([points.shape[0]!, -1, points.shape.at(-1)!]); // [C, R·n, d]
  const compared = (codes: Tensor): Tensor => {
    const product = flat.matmul(codes.transpose(1, 2)); // [C, R·n, K]
    if (cosine) return product;
    const squares = flat
      .square()
      .sum([-1], true)
      .add(codes.square().sum([-1]).unsqueeze(1));
    return squares.sub(product.mul(2));
  };
  const moved = compared(after);
  const all = torch.noGrad(() => compared(before)).add(moved.sub(moved.detach()));
  const near = cosine ? all : all.clampMin(SMALLEST).sqrt().neg();
  return near.reshape([...points.shape.slice(0, -1), before.shape[1]!]);
}

/** Returns the mean of the squared cosines between codes [C, n, d], less its least value (arXiv 2112.00384, equation 2). */
export function orthogonality(codes: Tensor): Tensor {
  const [codebooks, count] = codes.shape as [number, number];
  const unit = F.normalize(codes, { dim: -1, eps: 1e-6 });
  return unit
    .matmul(unit.transpose(1, 2))
    .square()
    .sum()
    .div(codebooks * count ** 2)
    .sub(1 / count);
}

/**
 * Returns minus the entropy of the choice at each position, averaged over images, as a mean over positions.
 *
 * @param near nearness [C, R, n, K]
 */
export function diversity(near: Tensor, temperature: number): Tensor {
  const choice = near.mul(temperature).softmax(-1).mean([0, 1]); // [n, K]
  return choice.mul(choice.clampMin(1e-5).log()).sum([-1]).mean();
}

/** Returns the cross-entropy of the choice by nearness [C, R, n, K] against the chosen codes [C, R, n]. */
export function choiceLoss(near: Tensor, codes: Tensor): Tensor {
  return F.crossEntropy(near.reshape([-1, near.shape.at(-1)!]), codes.flatten());
}
