import type { FirstStage } from '../models/autoencoder/vqgan.js';

/** All dtypes that encode and decode. */
export const tokenizerDTypes = ['float32', 'bfloat16', 'float16'] as const;

/** dtype of the encoder and the decoder; distances to the codebook are always computed in float32. */
export type TokenizerDType = (typeof tokenizerDTypes)[number];

/** Converts encoder, decoder and the convolutions between them and the quantizer to a dtype, in place. */
export function setDType(model: FirstStage, dtype: TokenizerDType): void {
  for (const part of [model.encoder, model.quantConv, model.postQuantConv, model.decoder]) part.to(dtype);
}
