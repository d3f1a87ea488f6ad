/** A codebook updated by exponential moving averages instead of gradients (arXiv 1711.00937, appendix A.1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, number, share, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { NearestQuantizer, straightThrough } from './quantizer.js';
import { remapSchema } from './remap.js';

const schema = {
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of a code, D. */
  embedDim: count(),
  /** Weight of the commitment loss. Default 0.25. */
  beta: number(0.25),
  /** Fraction of the old average kept at each update. Default 0.99. */
  decay: share(0.99),
  /** Laplace smoothing of the code counts. Default 1e-5. */
  eps: number(1e-5),
  ...remapSchema,
};

export type EMAVectorQuantizerConfig = Given<typeof schema>;

/** Codes and the averages they are computed from. None of the three is trained by gradients. */
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

/** Latents assigned to each code: their number [K], and their sum [K, D]. */
interface Assigned {
  counts: Tensor;
  sums: Tensor;
}

/**
 * Nearest-code quantizer; in training mode every forward moves the codes towards the latents assigned to them.
 *
 * @example
 * ```ts
 * const quantizer = new EMAVectorQuantizer({ nEmbed: 1024, embedDim: 256, beta: 0.25, decay: 0.99 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * ```
 */
export class EMAVectorQuantizer extends NearestQuantizer<Settings<typeof schema>> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** The codes and their moving averages. */
  readonly embedding: EmbeddingEMA;
  /** Latents of the forwards since `still` began; null outside of it. */
  #gathered: Assigned | null = null;
  #synced = false;

  constructor(config: EMAVectorQuantizerConfig) {
    super(readConfig(schema, config, 'EMAVectorQuantizer'));
    this.embedding = new EmbeddingEMA(this.nEmbed, this.embedDim);
  }

  /** Quantizes z [B, D, h, w]; indices are [B·h·w]. All three results are computed from the codes before the update. */
  override forward(z: Tensor): Quantized {
    const { points, chosen, codes } = this.nearest(z); // [B, h, w, D], [B, h, w, D], [N]
    if (this.training) torch.noGrad(() => this.#update(points.detach(), codes));
    // Must precede the codes: autograd sums the latents' gradients in this order, which affects the last bit.
    const loss = F.mseLoss(chosen.detach(), points).mul(this.config.beta);
    return {
      quantized: straightThrough(points, chosen, z.dtype), // [B, D, h, w]
      loss,
      indices: this.remapToUsed(codes),
    };
  }

  /** Returns an empty list, because the codes follow their averages. */
  override trained(): nn.Parameter[] {
    return [];
  }

  /** Moves codes and sets their averages as if one latent had chosen each; otherwise the next update would undo it. */
  override revive(at: Tensor, points: Tensor): void {
    super.revive(at, points);
    const { clusterSize, embedAvg } = this.embedding;
    embedAvg.indexCopy_(0, at, points.to(embedAvg.dtype));
    clusterSize.indexFill_(0, at, 1);
  }

  /** Moves the codes towards the latents of all processes, which then keep the same codes. */
  synchronize(): void {
    this.#synced = true;
  }

  override still(fn: () => void, gather = true): () => void {
    const { clusterSize, embedAvg } = this.embedding;
    const gathered = { counts: torch.zerosLike(clusterSize), sums: torch.zerosLike(embedAvg) };
    this.#gathered = gathered;
    try {
      fn();
    } finally {
      this.#gathered = null;
    }
    return () => {
      if (gather && this.training) torch.noGrad(() => this.#move(gathered));
    };
  }

  #update(points: Tensor, codes: Tensor): void {
    const { clusterSize, embedAvg } = this.embedding;
    torch.scope(() => {
      const values = points.reshape([-1, this.embedDim]).to(embedAvg.dtype); // [N, D]
      const { counts, sums } = this.#gathered ?? {
        counts: torch.zerosLike(clusterSize),
        sums: torch.zerosLike(embedAvg),
      };
      counts.indexAdd_(0, codes, torch.onesLike(codes).to(clusterSize.dtype));
      sums.indexAdd_(0, codes, values);
      if (!this.#gathered) this.#move({ counts, sums });
    });
  }

  #move({ counts, sums }: Assigned): void {
    const { weight, clusterSize, embedAvg } = this.embedding;
    const { decay, eps } = this.config;
    if (this.#synced && torch.distributed.worldSize() > 1)
      torch.distributed.allReduceCoalesced([counts, sums]);
    torch.scope(() => {
      clusterSize.mul_(decay).add_(counts, { alpha: 1 - decay });
      embedAvg.mul_(decay).add_(sums, { alpha: 1 - decay });
      const total = clusterSize.sum();
      const smoothed = clusterSize
        .add(eps)
        .div_(total.add(this.nEmbed * eps))
        .mul_(total);
      weight.copy_(embedAvg.div(smoothed.unsqueeze(1)));
    });
  }
}

export type { EmbeddingEMA };
