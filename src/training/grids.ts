import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Where two batches [B, C, H, W] differ, as grey pictures [B, 3, H, W]: black is equal, white a half of the range. */
export function errorMaps(images: Tensor, reconstructions: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const error = images.sub(reconstructions.clamp(-1, 1)).abs().mean([1], true); // [B, 1, H, W], 0 to 2
      return error.mul(2).sub(1).clamp(-1, 1).expand([-1, 3, -1, -1]).contiguous();
    }),
  );
}
