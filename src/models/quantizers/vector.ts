/** The codebook of VQGAN: one code per latent, by default the nearest, trained by gradient descent (arXiv 2012.09841, equations 2 to 4). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import {
  count,
  flag,
  kind,
  number,
  oneOf,
  optional,
  requiredUnless,
  type Given,
  type Settings,
} from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { codeEntropy } from './code-entropy.js';
import { atLeastFloat32 } from './latents.js';
import { isLlamaGen, llamaGen } from './llamagen-settings.js';
import { lookups, type Lookup } from './lookups.js';
import { NearestQuantizer, straightThrough } from './quantizer.js';
import { remapSchema } from './remap.js';
import { pushCodes, shareInWindow } from './usage-window.js';

/** Temperature of the choice whose entropies are taken. */
const ENTROPY_TEMPERATURE = 0.01;

const schema = {
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of a code, D. */
  embedDim: count(),
  /** Weight of one of the two loss terms; `legacy` selects which. Default 0.25. */
  beta: number(0.25),
  /**
   * If true, beta weights the codebook term, as in all published VQGANs, whose code has the two terms swapped. If
   * false, beta weights the commitment term, as in the paper. Required; with a setting of LlamaGen's that is not
   * false, default false.
   */
  legacy: requiredUnless(
    llamaGen,
    kind<boolean>(
      'true (beta weights the codebook term, as in published models) or false (beta weights the commitment term, as in the paper)',
      (value) => typeof value === 'boolean',
    )(),
  ),
  /**
   * Rule that chooses a code: the `nearest` one (default), or the one with the largest `dot` product or `cosine`, as in
   * other projects' models with the same keys. With `cosine`, latents and codes are scaled to length 1.
   */
  lookup: oneOf(...lookups)('nearest'),
  /** If true, latents and codes are scaled to length 1: the lookup is `cosine`. Default false. */
  l2Norm: optional(flag()),
  /** Weight of the entropies of the choice by distance: of single choices, minus that of their mean. Default 0. */
  entropyLossRatio: optional(number()),
  /** If true, the last indices of training are kept, and `usage` tells the share of codes among them. Default false. */
  showUsage: optional(flag()),
  /** Number of indices that are kept. Default 65536. */
  usageWindow: optional(count()),
  ...remapSchema,
  /** If true, indices are [B, h, w] instead of [B·h·w]. Default false. */
  saneIndexShape: flag(false),
};

export type VectorQuantizerSettings = Given<typeof schema>;
export type LlamaGenSettings = {
  [K in (typeof llamaGen)[number]]: Record<K, Exclude<VectorQuantizerSettings[K], false | null | undefined>>;
}[(typeof llamaGen)[number]];

export type VectorQuantizerConfig =
  | (VectorQuantizerSettings & { legacy: boolean })
  | (Omit<VectorQuantizerSettings, 'legacy'> & { legacy?: boolean } & LlamaGenSettings);

/**
 * Nearest-code quantizer with a straight-through gradient to the encoder (the reference's VectorQuantizer2). With any of
 * `l2Norm: true`, `entropyLossRatio`, `showUsage: true` and `usageWindow` it is LlamaGen's (arXiv 2406.06525, section
 * 3.1): indices are [B, h, w], `losses` has the weighted terms of the loss, and the loss is 0 in evaluation.
 *
 * @example
 * ```ts
 * const quantizer = new VectorQuantizer({ nEmbed: 1024, embedDim: 256, legacy: true });
 * const { quantized, loss, indices } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * const codes = quantizer.codes(indices.view([2, 16, 16])); // [2, 256, 16, 16]: quantized, up to rounding
 * const vq16 = new VectorQuantizer({ nEmbed: 16384, embedDim: 8, l2Norm: true, showUsage: true });
 * ```
 */
export class VectorQuantizer extends NearestQuantizer<Settings<typeof schema>> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Models that were trained without `showUsage` have none. */
  protected static override readonly mayLack: readonly string[] = ['codebook_used'];
  readonly embedding: nn.Embedding;
  /** The last indices of training, int64 [usageWindow], at first 0; only with `showUsage`. */
  declare readonly codebookUsed: Tensor | null;
  readonly #llamaGen: boolean;

  constructor(config: VectorQuantizerConfig) {
    const settings = readConfig(schema, config as VectorQuantizerSettings, 'VectorQuantizer');
    super(settings.l2Norm ? { ...settings, lookup: cosineOf(settings.lookup) } : settings);
    const { nEmbed, embedDim, l2Norm, showUsage, usageWindow = 65_536 } = this.config;
    this.#llamaGen = isLlamaGen(settings);
    this.embedding = new nn.Embedding(nEmbed, embedDim);
    nn.init.uniform_(this.embedding.weight, -1 / nEmbed, 1 / nEmbed);
    if (l2Norm) torch.noGrad(() => this.embedding.weight.copy_(F.normalize(this.embedding.weight)));
    if (showUsage) this.registerBuffer('codebookUsed', torch.zeros([usageWindow], { dtype: 'int64' }));
  }

  /** Share of the codes among the last `usageWindow` indices of training, from 0 to 1; 0 without `showUsage`. */
  get usage(): number {
    return this.codebookUsed ? shareInWindow(this.codebookUsed, this.nEmbed) : 0;
  }

  /** Quantizes z [B, D, h, w]; indices are [B·h·w], or [B, h, w] with `saneIndexShape` or as LlamaGen's. */
  override forward(z: Tensor): Quantized {
    const { beta, legacy, saneIndexShape } = this.config;
    const { points, chosen, codes } = this.nearest(z); // [B, h, w, D], [B, h, w, D], [N]
    const distances = {
      commitment: chosen.detach().sub(points).square().mean(),
      codebook: chosen.sub(points.detach()).square().mean(),
    };
    const weighted = legacy
      ? { ...distances, codebook: distances.codebook.mul(beta) }
      : { ...distances, commitment: distances.commitment.mul(beta) };
    const loss = weighted.commitment.add(weighted.codebook);
    const indices = this.remapToUsed(codes);
    const plain = {
      quantized: straightThrough(points, chosen, z.dtype), // [B, D, h, w]
      loss,
      indices: saneIndexShape || this.#llamaGen ? indices.reshape(points.shape.slice(0, 3)) : indices,
    };
    if (!this.#llamaGen) return plain;
    if (!this.training) return { ...plain, loss: torch.zerosLike(loss), losses: {} };
    if (this.codebookUsed) pushCodes(this.codebookUsed, codes);
    const entropy = this.#entropy(points);
    return { ...plain, loss: loss.add(entropy), losses: { ...weighted, entropy } };
  }

  /** Returns the weighted entropies of the choice for points [B, h, w, D]. */
  #entropy(points: Tensor): Tensor {
    const { entropyLossRatio: ratio = 0 } = this.config;
    if (ratio === 0) return torch.zeros([], { dtype: points.dtype, device: points.device });
    const flat = points.reshape([-1, this.embedDim]); // [N, D]
    const codes = this.scaled(atLeastFloat32(this.codebook), -1); // [K, D]
    const squares = flat
      .square()
      .sum([1], true)
      .add(codes.square().sum([1])); // [N, K]
    const { sample, average } = codeEntropy(
      squares.sub(flat.matmul(codes.t()).mul(2)).div(-ENTROPY_TEMPERATURE),
    );
    return sample.sub(average).mul(ratio);
  }
}

/** Returns the lookup of codes of length 1, unless another one was asked for. */
function cosineOf(lookup: Lookup): Lookup {
  if (lookup !== 'dot') return 'cosine';
  throw new TypeError(
    'VectorQuantizer: l2Norm chooses codes by "cosine", but lookup is "dot": leave one of them out',
  );
}
