import type { Tensor } from '../torch/index.js';

/** What quantizers, first stages and conditions make of their input. */
export interface Encoded<Loss extends Tensor | null = Tensor | null> {
  /** The chosen codes, [B, embedDim, h, w] of a quantizer; gradients pass through to the input. */
  quantized: Tensor;
  /** Codebook loss, a scalar, unweighted; null of conditions, which have none. */
  loss: Loss;
  /** int64, a row of tokens for each image: [B, …]. */
  indices: Tensor;
}

/** What a quantizer makes of latents, or a first stage of images. */
export type Quantized = Encoded<Tensor>;
