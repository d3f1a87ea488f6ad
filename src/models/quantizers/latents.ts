/** What the quantizers share: layouts of latent grids, precision, and the search for the nearest code. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** The tensor in float32 at least: distances, losses and softmax are never computed in half precision. */
export function atLeastFloat32(x: Tensor): Tensor {
  return x.dtype === 'bfloat16' || x.dtype === 'float16' ? x.float() : x;
}

/** [B, C, h, w] → contiguous [B, h, w, C]. */
export function channelsToEnd(z: Tensor): Tensor {
  return z.permute([0, 2, 3, 1]).contiguous();
}

/** [B, h, w, C] → contiguous [B, C, h, w]. */
export function channelsToFront(z: Tensor): Tensor {
  return z.permute([0, 3, 1, 2]).contiguous();
}

/** Index of the nearest row of `codebook` [K, D] to each row of `z` [N, D]: int64 [N], the first of equals. */
export function nearestCodes(z: Tensor, codebook: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const codes = atLeastFloat32(codebook);
      const points = atLeastFloat32(z);
      // |z|² + |e|² − 2 z·e
      const squares = points
        .square()
        .sum([1], true)
        .add(codes.square().sum([1])); // [N, K]
      return squares.addmm_(points, codes.t(), { alpha: -2 }).argmin(1);
    }),
  );
}
