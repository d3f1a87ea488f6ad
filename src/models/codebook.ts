/** The codebook of VQGAN: nearest-neighbour quantization trained by gradients (arXiv 2012.09841, equations 2 to 4). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as F from '../torch/nn/functional.js';
import * as nn from '../torch/nn/index.js';
import type { UnknownIndex } from './remap.js';
import { RemappableQuantizer } from './remap.js';

export interface VectorQuantizerConfig {
  /** Number of codes. */
  nEmbed: number;
  /** Width of a code. */
  embedDim: number;
  /** Weight of one of the two loss terms; `legacy` says of which. Default 0.25. */
  beta?: number;
  /**
   * true: beta weighs the codebook's term, as in every published VQGAN, whose code has the two terms
   * swapped. false: beta weighs the commitment, as in the paper.
   */
  legacy: boolean;
  /** Codes in use; indices then count among these. */
  remap?: readonly number[] | Tensor | null;
  /** What codes outside `remap` become. Default 'random'. */
  unknownIndex?: UnknownIndex;
  /** Indices as [B, h, w] instead of [B·h·w]. Default false. */
  saneIndexShape?: boolean;
}

/** What every quantizer gives back. */
export interface Quantized {
  /** The chosen codes, [B, embedDim, h, w]; gradients pass through to the input. */
  quantized: Tensor;
  /** Codebook loss, a scalar, unweighted. */
  loss: Tensor;
  /** int64. */
  indices: Tensor;
}

/** The tensor in float32 at least: distances, losses and softmax are never computed in half precision. */
export function atLeastFloat32(x: Tensor): Tensor {
  return x.dtype === 'bfloat16' || x.dtype === 'float16' ? x.float() : x;
}

/** [B, C, h, w] → contiguous [B, h, w, C]. */
export function channelsToEnd(z: Tensor): Tensor {
  return z.permute([0, 2, 3, 1]).contiguous();
}

/** [B, h, w, C] → contiguous [B, C, h, w]. */
export function channelsToFront(z: Tensor): Tensor {
  return z.permute([0, 3, 1, 2]).contiguous();
}

/** Index of the nearest row of `codebook` [K, D] to each row of `z` [N, D]: int64 [N], the first of equals. */
export function nearestCodes(z: Tensor, codebook: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const codes = atLeastFloat32(codebook);
      const points = atLeastFloat32(z);
      // |z|² + |e|² − 2 z·e
      const squares = points.square().sum([1], true).add(codes.square().sum([1])); // [N, K]
      return squares.addmm_(points, codes.t(), { alpha: -2 }).argmin(1);
    }),
  );
}

/** Rejects what the quantizers cannot take, naming the width they expect. */
export function checkLatent(z: Tensor, width: number): void {
  if (z.ndim !== 4 || z.shape[1] !== width) {
    throw new torch.ShapeError(`the quantizer takes latents [B, ${width}, h, w], not [${z.shape.join(', ')}]`);
  }
}

/** Rejects indices of the wrong type; `torch.long()` mends them. */
export function checkIndices(indices: Tensor): void {
  if (indices.dtype !== 'int64') {
    throw new torch.DTypeError(`indices must be int64, not ${indices.dtype}: convert them with .long()`);
  }
}

/** The nearest code, with a straight-through gradient to the encoder (the reference's VectorQuantizer2). */
export class VectorQuantizer extends RemappableQuantizer {
  readonly embedding: nn.Embedding;
  readonly nEmbed: number;
  readonly embedDim: number;
  readonly beta: number;
  readonly legacy: boolean;
  readonly saneIndexShape: boolean;

  constructor(config: VectorQuantizerConfig) {
    const { nEmbed, embedDim, beta = 0.25, legacy, remap, unknownIndex = 'random', saneIndexShape = false } = config;
    if (typeof legacy !== 'boolean') {
      throw new TypeError(
        'VectorQuantizer needs legacy: true weighs the codebook term by beta, as published models were trained; false weighs the commitment, as in the paper',
      );
    }
    super(nEmbed);
    this.nEmbed = nEmbed;
    this.embedDim = embedDim;
    this.beta = beta;
    this.legacy = legacy;
    this.saneIndexShape = saneIndexShape;
    this.embedding = new nn.Embedding(nEmbed, embedDim);
    nn.init.uniform_(this.embedding.weight, -1 / nEmbed, 1 / nEmbed);
    this.setUsed(remap, unknownIndex, nEmbed);
  }

  /** z [B, embedDim, h, w]; indices are [B·h·w], or [B, h, w] with `saneIndexShape`. */
  override forward(z: Tensor): Quantized {
    checkLatent(z, this.embedDim);
    const points = atLeastFloat32(channelsToEnd(z)); // [B, h, w, D]
    const [b, h, w] = points.shape as [number, number, number, number];
    const codes = nearestCodes(points.reshape([-1, this.embedDim]), this.embedding.weight); // [B·h·w]
    const chosen = atLeastFloat32(F.embedding(codes, this.embedding.weight)).reshape(points.shape); // [B, h, w, D]

    const commitment = chosen.detach().sub(points).square().mean();
    const codebook = chosen.sub(points.detach()).square().mean();
    const loss = this.legacy
      ? commitment.add(codebook.mul(this.beta))
      : commitment.mul(this.beta).add(codebook);

    const straightThrough = points.add(chosen.sub(points).detach());
    const indices = this.remapToUsed(codes);
    return {
      quantized: channelsToFront(straightThrough).to(z.dtype), // [B, D, h, w]
      loss,
      indices: this.saneIndexShape ? indices.reshape([b, h, w]) : indices,
    };
  }

  /** The codes of `indices` (int64 [B, h, w]) as [B, embedDim, h, w]. */
  codes(indices: Tensor): Tensor {
    checkIndices(indices);
    return torch.scope(() => channelsToFront(F.embedding(this.unmapToAll(indices), this.embedding.weight)));
  }
}
