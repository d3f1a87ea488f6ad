/** Codes as directed, noisy steps from latents: gradients without a loss (DiVeQ, arXiv 2509.26469). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import type { Draws } from './draws.js';

/**
 * Returns the points moved by the distance to their codes, in a direction that is fixed and a little noisy: gradients
 * reach both by the distance.
 *
 * @param points latents [..., D]
 * @param chosen their codes [..., D]
 * @param variance variance of the noise
 */
export function directed(points: Tensor, chosen: Tensor, variance: number, draws: Draws): Tensor {
  const step = chosen.sub(points);
  const direction = torch.noGrad(() =>
    F.normalize(step.add(draws.randnLike(step).mul(Math.sqrt(variance))), { dim: -1, eps: 1e-6 }),
  );
  return points.add(direction.mul(torch.linalgVectorNorm(step, 2, [-1], true)));
}
