/** The gradient of a quantizer as that of a rotation (arXiv 2410.06424, section 4.2). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Shortest length by which vectors are divided. */
const SHORTEST = 1e-6;

/**
 * Returns the codes `chosen` as `points`, turned and scaled by constants: the gradient reaches the points turned back
 * and scaled likewise, so that its angle to the point is that to the code. None reaches the codes.
 *
 * @param points latents [..., D]
 * @param chosen their codes [..., D]
 */
export function rotatedTo(points: Tensor, chosen: Tensor): Tensor {
  const { from, to, between, scale } = torch.noGrad(() => {
    const [p, q] = [points, chosen].map(length) as [Tensor, Tensor];
    const [from, to] = [points.div(p), chosen.div(q)];
    return { from, to, between: unit(from.add(to)), scale: chosen.norm(2, [-1], true).div(p) };
  });
  const along = (direction: Tensor) => points.mul(direction).sum([-1], true);
  return points.sub(along(between).mul(between).mul(2)).add(along(from).mul(to).mul(2)).mul(scale);
}

const length = (x: Tensor): Tensor => x.norm(2, [-1], true).clampMin(SHORTEST);
const unit = (x: Tensor): Tensor => x.div(length(x));
