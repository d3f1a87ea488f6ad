import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { atLeastFloat32 } from '../../../models/quantizers/latents.js';
import type { NearestQuantizer } from '../../../models/quantizers/quantizer.js';

/** First stages whose codes are points in the latent space and stop being used if no latent is near. */
export type RestartableModel = FirstStage<NearestQuantizer>;

/**
 * True if `restartUnusedCodes` supports the model. A Gumbel quantizer selects codes by a projection, not by distance.
 */
export function canRestartCodes(model: FirstStage): model is RestartableModel {
  return model.quantize.revive !== undefined;
}

/**
 * Counts the codes that `images` [B, C, H, W] use, and moves every other code onto a latent drawn from these images,
 * where the encoder will find it again (random restarts, arXiv 2005.00341, section 3.1). A codebook trained by
 * gradients alone uses few of its codes: a code that is never the nearest never learns. A codebook updated by moving
 * averages (`EMAVQ`) loses codes in the same way, so its averages are moved too. In a remapped codebook, only codes
 * that are in use are moved.
 *
 * @returns the number of codes in use before the restart
 *
 * @example
 * ```ts
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 });
 * const used = restartUnusedCodes(model, torch.rand([1, 3, 64, 64]).mul(2).sub(1)); // at most 16 of 1024
 * ```
 */
export function restartUnusedCodes(model: RestartableModel, images: Tensor): number {
  return unrecorded(() => {
    const { nEmbed, used } = model.quantize;
    const latents = latentsOf(model, images); // [N, D]
    const counts = model.quantize.choose(latents).bincount(null, nEmbed); // [K]
    const wanted = used ? torch.zerosLike(counts).indexFill(0, used, 1) : torch.onesLike(counts);
    const unused = counts.logicalNot().logicalAnd(wanted).nonzero().flatten(); // [U]
    const moved = Math.min(unused.numel(), latents.shape[0]!);
    if (moved > 0) {
      const chosen = torch.randperm(latents.shape[0]!, { device: latents.device }).narrow(0, 0, moved);
      model.quantize.revive(unused.narrow(0, 0, moved), latents.indexSelect(0, chosen));
    }
    return (used ? used.numel() : nEmbed) - unused.numel();
  });
}

/** Returns the latents before quantization: [N, D]. */
function latentsOf(model: RestartableModel, images: Tensor): Tensor {
  const z = model.encodeToPrequant(images); // [B, D, h, w]
  return atLeastFloat32(z.permute([0, 2, 3, 1]).reshape([-1, model.quantize.embedDim]));
}

/**
 * Counts how often each code is chosen for `images` [B, C, H, W], remapped or not: int64 [nEmbed].
 *
 * @example
 * ```ts
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 });
 * const counts = countCodes(model, torch.zeros([1, 3, 64, 64])); // [1024], 16 in all
 * ```
 */
export function countCodes(model: RestartableModel, images: Tensor): Tensor {
  return unrecorded(() => {
    const { quantize } = model;
    return quantize.choose(latentsOf(model, images)).bincount(null, quantize.nEmbed);
  });
}
