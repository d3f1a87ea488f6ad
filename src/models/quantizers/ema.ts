/** A codebook that follows its inputs by exponential moving averages instead of gradients (arXiv 1711.00937, appendix A.1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, number, share, type Given } from '../../config/schema.js';
import type { Quantized } from './vector.js';
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
  /** Weight of the commitment loss. Default 0.25. */
  beta: number(0.25),
  /** Share of the old average kept at each update. Default 0.99. */
  decay: share(0.99),
  /** Laplace smoothing of the code counts. Default 1e-5. */
  eps: number(1e-5),
  ...remapSchema,
};

export type EMAVectorQuantizerConfig = Given<typeof schema>;

/** Codes with the averages they are made from. None of the three is trained by gradients. */
class EmbeddingEMA extends nn.Module {
  readonly weight: nn.Parameter; // [K, D]
  readonly clusterSize: nn.Parameter; // [K]
  readonly embedAvg: nn.Parameter; // [K, D]

  constructor(nEmbed: number, embedDim: number) {
    super();
    this.weight = new nn.Parameter(torch.empty([nEmbed, embedDim]), false);
    nn.init.normal_(this.weight);
    this.clusterSize = new nn.Parameter(torch.zeros([nEmbed]), false);
    this.embedAvg = new nn.Parameter(this.weight.detach().clone(), false);
  }
}

/**
 * The nearest code; in training every forward moves the codes towards the latents that chose them.
 *
 * @example
 * ```ts
 * const quantizer = new EMAVectorQuantizer({ nEmbed: 1024, embedDim: 256, beta: 0.25, decay: 0.99 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * ```
 */
export class EMAVectorQuantizer extends RemappableQuantizer {
  /** What its configuration may hold. */
  static readonly schema: typeof schema = schema;
  /** The codes and their moving averages. */
  readonly embedding: EmbeddingEMA;
  /** Number of codes. */
  readonly nEmbed: number;
  /** Width of a code. */
  readonly embedDim: number;
  readonly beta: number;
  readonly decay: number;
  readonly eps: number;

  constructor(config: EMAVectorQuantizerConfig) {
    const { nEmbed, embedDim, beta, decay, eps, remap, unknownIndex } = readConfig(
      schema,
      config,
      'EMAVectorQuantizer',
    );
    super(nEmbed);
    this.nEmbed = nEmbed;
    this.embedDim = embedDim;
    this.beta = beta;
    this.decay = decay;
    this.eps = eps;
    this.embedding = new EmbeddingEMA(nEmbed, embedDim);
    this.setUsed(remap, unknownIndex, nEmbed);
  }

  /** z [B, embedDim, h, w]; indices are [B·h·w]. All three results come from the codes before the update. */
  override forward(z: Tensor): Quantized {
    checkLatent(z, this.embedDim);
    const points = atLeastFloat32(channelsToEnd(z)); // [B, h, w, D]
    const flat = points.reshape([-1, this.embedDim]); // [N, D]
    const codes = nearestCodes(flat, this.embedding.weight); // [N]
    const chosen = atLeastFloat32(F.embedding(codes, this.embedding.weight)).reshape(points.shape);
    if (this.training) torch.noGrad(() => this.#update(flat.detach(), codes));

    const loss = F.mseLoss(chosen.detach(), points).mul(this.beta);
    const straightThrough = points.add(chosen.sub(points).detach());
    return {
      quantized: channelsToFront(straightThrough).to(z.dtype), // [B, D, h, w]
      loss,
      indices: this.remapToUsed(codes),
    };
  }

  /** The codes of `indices` (int64 [B, h, w]) as [B, embedDim, h, w]. */
  codes(indices: Tensor): Tensor {
    checkIndices(indices);
    return torch.scope(() => channelsToFront(F.embedding(this.unmapToAll(indices), this.embedding.weight)));
  }

  #update(points: Tensor, codes: Tensor): void {
    const { weight, clusterSize, embedAvg } = this.embedding;
    torch.scope(() => {
      const values = points.to(embedAvg.dtype);
      const counts = torch
        .zerosLike(clusterSize)
        .indexAdd_(0, codes, torch.onesLike(codes).to(clusterSize.dtype));
      const sums = torch.zerosLike(embedAvg).indexAdd_(0, codes, values);
      clusterSize.mul_(this.decay).add_(counts, { alpha: 1 - this.decay });
      embedAvg.mul_(this.decay).add_(sums, { alpha: 1 - this.decay });
      const total = clusterSize.sum();
      const smoothed = clusterSize
        .add(this.eps)
        .div_(total.add(this.nEmbed * this.eps))
        .mul_(total);
      weight.copy_(embedAvg.div(smoothed.unsqueeze(1)));
    });
  }
}

export type { EmbeddingEMA };
