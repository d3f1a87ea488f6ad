/** Cluster centres of latents (Lloyd's algorithm). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import { atLeastFloat32, chosenCodes } from './latents.js';

/** Centres [K, D], and the number of points that the last step assigned to each [K]. */
export interface Clusters {
  means: Tensor;
  counts: Tensor;
}

/** What distinguishes one clustering from another. */
export interface Clustering {
  /** Number of steps. */
  iterations: number;
  /** If true, points and centres have length 1 and are assigned by the largest dot product. */
  cosine: boolean;
  /** Adds counts and sums of other processes to these. */
  joined: (tensors: readonly Tensor[]) => void;
}

/** Moves centres `start` [K, D] to the means of the `points` [N, D] nearest to them; those without points stay. */
export function kMeans(points: Tensor, start: Tensor, { iterations, cosine, joined }: Clustering): Clusters {
  let means = start;
  let counts = torch.zerosLike(atLeastFloat32(start.select(1, 0)));
  for (let i = 0; i < iterations; i++) {
    const assigned = assignedTo(points, chosenCodes(points, means, cosine ? 'dot' : 'nearest'), means);
    joined([assigned.counts, assigned.sums]);
    counts = assigned.counts;
    const moved = assigned.sums.div(counts.clampMin(1).unsqueeze(1));
    means = torch.where(
      counts.gt(0).unsqueeze(1),
      cosine ? F.normalize(moved, { dim: -1, eps: 1e-6 }) : moved,
      means,
    );
  }
  return { means, counts };
}

/** Returns the number [K] and the sum [K, D] of the `points` [N, D] of each of the `codes` [N], in at least float32. */
export function assignedTo(points: Tensor, codes: Tensor, like: Tensor): { counts: Tensor; sums: Tensor } {
  // In bfloat16, 256 + 1 is 256: counts would stop there.
  const sums = torch.zerosLike(atLeastFloat32(like));
  const { dtype } = sums;
  return {
    counts: torch.zerosLike(sums.select(1, 0)).indexAdd_(0, codes, torch.onesLike(codes).to(dtype)),
    sums: sums.indexAdd_(0, codes, points.to(dtype)),
  };
}
