/** Output of image sources: examples as tensors, or as the bytes that these are made of. */
import type { Device, Tensor } from '../../torch/index.js';
import type { Sides } from './crop.js';
import type { View } from '../pictures/picture.js';

/** A batch of examples. */
export interface Example {
  /** float32 [B, channels, size, size] in [-1, 1]. */
  image: Tensor;
  /** The requested fields, by name. */
  fields: Record<string, Tensor>;
}

/** Bytes of a batch of examples. */
export interface Squares {
  /** Height and width of the images: those of the source's squares, unless others were requested. */
  sides: Sides;
  image: Uint8Array; // [B, H, W, channels]
  maps: Record<string, Uint8Array>; // [B, H, W] each
  /** True if the low resolution of the images is requested. */
  lowResolution: boolean;
  /** Class of each image, if requested. */
  label: number[] | null;
  /** Positions of the pixels in their whole image, if requested. */
  positions: Float32Array | null; // [B, H, W]
  /** Layout of each image, if requested. */
  layouts: Float64Array[] | null; // B of [1 + objects, 5]
}

export interface ReadOptions {
  /** Crop of each image; default the central square, not mirrored. */
  views?: readonly View[];
  /** Default `cpu`. */
  device?: Device;
}
