/** First stages of maps small enough for tests. */
import { vqganConfig } from './tiny.js';

export const data = { path: 'scenes', size: 16, count: 24, seed: 7, heldOut: 0.25 };
const bce = { target: 'taming.modules.losses.segmentation.BCELossWithQuant' };
const { ddconfig, ...params } = vqganConfig().model.params;

export function segmentation(training: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const channels = { in_channels: 9, out_ch: 9 };
  const own = { n_labels: 9, image_key: 'segmentation', lossconfig: bce, ...more };
  return {
    model: {
      target: 'taming.models.vqgan.VQSegmentationModel',
      params: { ...params, ddconfig: { ...ddconfig, ...channels }, ...own },
    },
    data,
    training: { ...vqganConfig().training, ...training },
  };
}
