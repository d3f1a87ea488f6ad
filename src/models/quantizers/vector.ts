/** The codebook of VQGAN: one code per latent, by default the nearest, trained by gradient descent (arXiv 2012.09841, equations 2 to 4). */
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, number, oneOf, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { lookups } from './lookups.js';
import { NearestQuantizer, straightThrough } from './quantizer.js';
import { remapSchema } from './remap.js';

const schema = {
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of a code, D. */
  embedDim: count(),
  /** Weight of one of the two loss terms; `legacy` selects which. Default 0.25. */
  beta: number(0.25),
  /**
   * If true, beta weights the codebook term, as in all published VQGANs, whose code has the two terms swapped. If
   * false, beta weights the commitment term, as in the paper.
   */
  legacy: kind<boolean>(
    'true (beta weights the codebook term, as in published models) or false (beta weights the commitment term, as in the paper)',
    (value) => typeof value === 'boolean',
  )(),
  /**
   * Rule that chooses a code: the `nearest` one (default), or the one with the largest `dot` product or `cosine`, as in
   * other projects' models with the same keys. With `cosine`, latents and codes are scaled to length 1.
   */
  lookup: oneOf(...lookups)('nearest'),
  ...remapSchema,
  /** If true, indices are [B, h, w] instead of [B·h·w]. Default false. */
  saneIndexShape: flag(false),
};

export type VectorQuantizerConfig = Given<typeof schema>;

/**
 * Nearest-code quantizer with a straight-through gradient to the encoder (the reference's VectorQuantizer2).
 *
 * @example
 * ```ts
 * const quantizer = new VectorQuantizer({ nEmbed: 1024, embedDim: 256, legacy: true });
 * const { quantized, loss, indices } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * const codes = quantizer.codes(indices.view([2, 16, 16])); // [2, 256, 16, 16]: quantized, up to rounding
 * ```
 */
export class VectorQuantizer extends NearestQuantizer<Settings<typeof schema>> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  readonly embedding: nn.Embedding;

  constructor(config: VectorQuantizerConfig) {
    super(readConfig(schema, config, 'VectorQuantizer'));
    const { nEmbed, embedDim } = this.config;
    this.embedding = new nn.Embedding(nEmbed, embedDim);
    nn.init.uniform_(this.embedding.weight, -1 / nEmbed, 1 / nEmbed);
  }

  /** Quantizes z [B, D, h, w]; indices are [B·h·w], or [B, h, w] with `saneIndexShape`. */
  override forward(z: Tensor): Quantized {
    const { beta, legacy, saneIndexShape } = this.config;
    const { points, chosen, codes } = this.nearest(z); // [B, h, w, D], [B, h, w, D], [N]
    const commitment = chosen.detach().sub(points).square().mean();
    const codebook = chosen.sub(points.detach()).square().mean();
    const loss = legacy ? commitment.add(codebook.mul(beta)) : commitment.mul(beta).add(codebook);
    const indices = this.remapToUsed(codes);
    return {
      quantized: straightThrough(points, chosen, z.dtype), // [B, D, h, w]
      loss,
      indices: saneIndexShape ? indices.reshape(points.shape.slice(0, 3)) : indices,
    };
  }
}
