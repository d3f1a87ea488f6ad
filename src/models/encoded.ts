import type { Tensor } from '../torch/index.js';

/** Output of quantizers, first stages and conditions. */
export interface Encoded<Loss extends Tensor | null = Tensor | null> {
  /** The chosen codes, [B, embedDim, h, w] for a quantizer; gradients pass straight through to the input. */
  quantized: Tensor;
  /** Unweighted codebook loss, a scalar; null for conditions, which do not have one. */
  loss: Loss;
  /** Indices, int64 [B, …], one row of tokens per image. */
  indices: Tensor;
  /**
   * Terms of the loss by name, scalars, of quantizers that tell them: unweighted unless the quantizer says otherwise. Of
   * residual quantizers the losses of the layers, in one tensor.
   */
  losses?: Readonly<Record<string, Tensor>> | Tensor;
}

/** Output of a quantizer for latents, or of a first stage for images. */
export type Quantized = Encoded<Tensor>;

/** Output of a quantizer that names the terms of its loss. */
export type QuantizedByTerms = Quantized & { losses: Readonly<Record<string, Tensor>> };
