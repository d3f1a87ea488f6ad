/** Indices of the codes of images, without random numbers, and images of indices. */
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import type { Tensor } from '../torch/index.js';
import type { TokenizerDType } from './dtype.js';
import { inTiles, type Tiling } from './tiles.js';

/**
 * Returns the indices of images [B, C, H, W] as int64 [B, h, w]. They are those of `model.encode`, except where that
 * draws random numbers: see `Quantizer.indices`. In the current scope.
 *
 * @param dtype dtype of the encoder's weights
 * @param tiling tiles in which the encoder computes; null for whole images
 */
export function indicesOf(
  model: FirstStage,
  images: Tensor,
  dtype: TokenizerDType,
  tiling: Tiling | null = null,
): Tensor {
  const encoded = (x: Tensor) => model.encodeToPrequant(x.to(dtype)).float();
  const z = tiling ? inTiles(images, tiling, { from: model.stride, to: 1 }, encoded) : encoded(images); // [B, D, h, w]
  return model.quantize.indices(z);
}

/**
 * Decodes indices, int64 [B, h, w], into float32 images [B, C, H, W].
 *
 * @param dtype dtype of the decoder's weights
 * @param tiling tiles in which the decoder computes; null for whole images
 */
export function imagesOf(
  model: FirstStage,
  indices: Tensor,
  dtype: TokenizerDType,
  tiling: Tiling | null = null,
): Tensor {
  const codes = model.quantize.codes(indices); // [B, D, h, w]
  const decoded = (x: Tensor) => model.decode(x.to(dtype)).float();
  return tiling ? inTiles(codes, tiling, { from: 1, to: model.stride }, decoded) : decoded(codes);
}
