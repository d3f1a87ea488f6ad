/** Functions shared by the quantizers: layout and precision conversions, and the search for codes. */
import type { Tensor } from '../../torch/index.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import * as F from '../../torch/nn/functional.js';
import type { Lookup } from './lookups.js';

/** Returns the tensor in at least float32: distances, losses and softmax are never computed in half precision. */
export function atLeastFloat32(x: Tensor): Tensor {
  return x.dtype === 'bfloat16' || x.dtype === 'float16' ? x.float() : x;
}

/** Permutes [B, C, h, w] to contiguous [B, h, w, C]. */
export function channelsToEnd(z: Tensor): Tensor {
  return z.permute([0, 2, 3, 1]).contiguous();
}

/** Permutes [B, h, w, C] to contiguous [B, C, h, w]. */
export function channelsToFront(z: Tensor): Tensor {
  return z.permute([0, 3, 1, 2]).contiguous();
}

/**
 * Returns the index of the row of `codebook` [K, D] that a rule chooses for each row of `z` [N, D]: int64 [N], the first
 * one on ties.
 */
export function chosenCodes(z: Tensor, codebook: Tensor, lookup: Lookup): Tensor {
  return unrecorded(() => {
    const [points, codes] = [z, codebook].map(atLeastFloat32) as [Tensor, Tensor];
    if (lookup !== 'nearest') {
      const scaled = (x: Tensor): Tensor => (lookup === 'cosine' ? F.normalize(x) : x);
      return scaled(points).matmul(scaled(codes).t()).argmax(1); // of [N, K]
    }
    // |z|² + |e|² − 2 z·e
    const squares = points
      .square()
      .sum([1], true)
      .add(codes.square().sum([1])); // [N, K]
    return squares.addmm_(points, codes.t(), { alpha: -2 }).argmin(1);
  });
}
