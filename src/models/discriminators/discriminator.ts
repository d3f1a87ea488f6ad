import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';

/**
 * A network that tells images from reconstructions: `forward` maps [B, C, H, W] to logits [B, …], of which high ones
 * mean real.
 */
export interface Discriminator extends nn.Module {
  /** Channels of the images, plus those of the condition, if any. */
  readonly inChannels: number;
  /** Side of the images in pixels, if only this one fits. */
  readonly imageSize?: number;
  forward(images: Tensor): Tensor;
}
