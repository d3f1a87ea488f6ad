import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { VQModel } from '../models/vqgan.js';

/**
 * Counts the codes that `images` [B, C, H, W] use, and moves every other code onto a latent drawn from them, where
 * the encoder will find it again (random restarts, arXiv 2005.00341, section 3.1). A codebook trained by gradients
 * alone keeps few of its codes: those that were never the nearest never learn.
 *
 * @returns the number of codes in use before the restart
 */
export function restartUnusedCodes(model: VQModel, images: Tensor): number {
  return torch.noGrad(() =>
    torch.scope(() => {
      const { embedding, embedDim, nEmbed } = model.quantize;
      const z = model.encodeToPrequant(images); // [B, D, h, w]
      const counts = model.quantize.forward(z).indices.flatten().bincount(null, nEmbed); // [K]
      const unused = counts.logicalNot().nonzero().flatten(); // [U]
      const latents = z.permute([0, 2, 3, 1]).reshape([-1, embedDim]); // [N, D]
      const moved = Math.min(unused.numel(), latents.shape[0]!);
      if (moved > 0) {
        const chosen = torch.randperm(latents.shape[0]!, { device: z.device }).narrow(0, 0, moved);
        embedding.weight.indexCopy_(0, unused.narrow(0, 0, moved), latents.indexSelect(0, chosen));
      }
      return nEmbed - unused.numel();
    }),
  );
}

/** How often each code is chosen for `images` [B, C, H, W]: int64 [nEmbed]. */
export function countCodes(model: VQModel, images: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => model.encode(images).indices.flatten().bincount(null, model.quantize.nEmbed)),
  );
}
