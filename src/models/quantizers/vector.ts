/** The codebook of VQGAN: nearest-neighbour quantization trained by gradients (arXiv 2012.09841, equations 2 to 4). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, number, type Given } from '../../config/schema.js';
import {
  atLeastFloat32,
  channelsToEnd,
  channelsToFront,
  checkIndices,
  checkLatent,
  nearestCodes,
} from './latents.js';
import { remapSchema, RemappableQuantizer } from './remap.js';

const schema = {
  /** Number of codes. */
  nEmbed: count(),
  /** Width of a code. */
  embedDim: count(),
  /** Weight of one of the two loss terms; `legacy` says of which. Default 0.25. */
  beta: number(0.25),
  /**
   * true: beta weighs the codebook's term, as in every published VQGAN, whose code has the two terms
   * swapped. false: beta weighs the commitment, as in the paper.
   */
  legacy: kind<boolean>(
    'true (beta weighs the codebook term, as published models were trained) or false (it weighs the commitment, as in the paper)',
    (value) => typeof value === 'boolean',
  )(),
  ...remapSchema,
  /** Indices as [B, h, w] instead of [B·h·w]. Default false. */
  saneIndexShape: flag(false),
};

export type VectorQuantizerConfig = Given<typeof schema>;

/** What every quantizer gives back. */
export interface Quantized {
  /** The chosen codes, [B, embedDim, h, w]; gradients pass through to the input. */
  quantized: Tensor;
  /** Codebook loss, a scalar, unweighted. */
  loss: Tensor;
  /** int64. */
  indices: Tensor;
}

/**
 * The nearest code, with a straight-through gradient to the encoder (the reference's VectorQuantizer2).
 *
 * @example
 * ```ts
 * const quantizer = new VectorQuantizer({ nEmbed: 1024, embedDim: 256, legacy: true });
 * const { quantized, loss, indices } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * const codes = quantizer.codes(indices.view([2, 16, 16])); // [2, 256, 16, 16]: quantized, but for rounding
 * ```
 */
export class VectorQuantizer extends RemappableQuantizer {
  /** What its configuration may hold. */
  static readonly schema: typeof schema = schema;
  /** The codes: [nEmbed, embedDim]. */
  readonly embedding: nn.Embedding;
  readonly nEmbed: number;
  readonly embedDim: number;
  readonly beta: number;
  readonly legacy: boolean;
  readonly saneIndexShape: boolean;

  constructor(config: VectorQuantizerConfig) {
    const { nEmbed, embedDim, beta, legacy, remap, unknownIndex, saneIndexShape } = readConfig(
      schema,
      config,
      'VectorQuantizer',
    );
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
