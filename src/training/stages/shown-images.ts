import type { FirstStage } from '../../models/autoencoder/vqgan.js';
import * as torch from '../../torch/index.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import type { Tensor } from '../../torch/index.js';

/**
 * Returns inputs or outputs of a first stage, [B, C, H, W], as images [B, 3, H, W] in [−1, 1]: label maps in the model's
 * colours, one channel as grey. The caller owns the result.
 */
export function shownImages(model: FirstStage, values: Tensor): Tensor {
  return unrecorded(() => {
    const [count, channels, ...size] = values.shape as [number, number, number, number];
    if (!model.colorize) return values.expand([count, 3, ...size]).contiguous();
    const labels = torch.oneHot(values.argmax(1), channels).permute([0, 3, 1, 2]); // [B, C, H, W]
    return model.toRgb(labels.to('float32'));
  });
}
