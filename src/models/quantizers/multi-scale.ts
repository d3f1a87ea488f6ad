/** Multi-scale quantization by residuals, from one position to all of them (VAR, arXiv 2404.02905, algorithms 1 and 2). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, counts, flag, natural, number, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { atLeastFloat32, channelsToEnd, channelsToFront, chosenCodes } from './latents.js';
import { applyPhi, phis, type Phis } from './phi.js';
import { joinedMaps, mapOf, mapsOf, tokensOf } from './scale-maps.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';

const schema = {
  /** Number of codes in the codebook, V. */
  vocabSize: count(),
  /** Width of a code, C. */
  embedDim: count(),
  /** Positions on a side of each scale, from few to many; the last is the side of the latents' grid. */
  vPatchNums: counts([1, 2, 3, 4, 5, 6, 8, 10, 13, 16]),
  /** If true, a code is chosen by its cosine instead of its distance. Default false. */
  usingZnorm: flag(false),
  /** Weight of the commitment. Default 0.25. */
  beta: number(0.25),
  /** Its absolute value is the share of the convolution that smooths a scale's codes at full size. Default 0.5. */
  quantResi: number(0.5),
  /** Number of convolutions that the scales share; 0: one for each scale. Default 4. */
  shareQuantResi: natural(4),
};

export type MultiScaleVQConfig = Given<typeof schema>;

/** Share of the mean number of hits from which on a code counts as used. */
const USED = 0.08;
/** Updates of hits, of scales, after which their average becomes slower. */
const SLOWER_AFTER = 100;

/** What remains of latents after some scales, and what those add up to, both [B, C, H, W]. */
export interface NextInput {
  /** Sum of the scales so far. */
  accumulated: Tensor;
  /** The sum pooled to the positions of the next scale, [B, C, p, p]; after the last scale the sum itself. */
  input: Tensor;
}

/**
 * Quantizes latents scale by scale: each scale has codes for what those before it have left, and all of them share one
 * codebook. Indices of images are the tokens of all scales, int64 [B, L], L = Σp², from the first scale on and row by
 * row; `maps` returns them as maps, and what takes indices takes both forms.
 *
 * @example
 * ```ts
 * const quantizer = new MultiScaleVQ({ vocabSize: 4096, embedDim: 32, vPatchNums: [1, 2, 4] });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 32, 4, 4])); // [2, 32, 4, 4], [2, 21]
 * const input = quantizer.transformerInput(indices); // [2, 20, 32]
 * ```
 */
export class MultiScaleVQ extends Quantizer<Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  static readonly keys = { phi: 'quant_resi', hits: 'ema_vocab_hit_SV' };
  protected static override readonly scoped: readonly string[] = [
    'codes',
    'accumulated',
    'transformerInput',
    'nextInput',
    'indices',
  ];
  protected static override readonly mayLack = ['ema_vocab_hit_SV'];
  readonly embedding: nn.Embedding;
  /** Convolutions of the scales' codes at full size. */
  readonly phi: Phis;
  /** Moving average of how often a training batch chose each code at each scale, [S, V]. */
  declare readonly hits: Tensor;
  /** Updates of hits so far; null: not known, as hits may have been loaded into the buffer since it was made. */
  #updates: number | null = null;
  #synced = false;

  constructor(config: MultiScaleVQConfig) {
    const settings = readConfig(schema, config, 'MultiScaleVQ');
    const { vocabSize, embedDim, vPatchNums, quantResi, shareQuantResi } = settings;
    if (vPatchNums.length === 0 || vPatchNums.some((one) => one > vPatchNums.at(-1)!)) {
      throw new RangeError(
        `MultiScaleVQ: the last of vPatchNums is the side of the grid, so it must be the largest; got [${vPatchNums.join(', ')}]`,
      );
    }
    super({ ...settings, nEmbed: vocabSize, unknownIndex: 'random' });
    this.embedding = new nn.Embedding(vocabSize, embedDim);
    const scales = vPatchNums.length;
    this.phi = phis({ channels: embedDim, ratio: quantResi, shared: shareQuantResi, scales });
    this.registerBuffer('hits', torch.zeros([scales, vocabSize]));
  }

  /** Quantizes z [B, C, H, W], whose grid is that of the last scale; indices are [B, L]. In training, hits are counted. */
  override forward(z: Tensor): Quantized {
    const latents = this.#latents(z);
    const fixed = latents.detach();
    const commitments: Tensor[] = [];
    const codebooks: Tensor[] = [];
    const { sum, maps } = this.#quantize(fixed, (after) => {
      commitments.push(F.mseLoss(latents, after.detach()));
      codebooks.push(F.mseLoss(after, fixed));
    });
    if (this.training) torch.noGrad(() => this.#count(maps));
    const commitment = torch.stack(commitments).mean();
    const codebook = torch.stack(codebooks).mean();
    return {
      quantized: latents.add(sum.sub(latents).detach()).to(z.dtype), // [B, C, H, W]
      loss: commitment.mul(this.config.beta).add(codebook),
      indices: joinedMaps(maps),
      losses: { commitment, codebook },
    };
  }

  override indices(z: Tensor): Tensor {
    return joinedMaps(torch.noGrad(() => this.#quantize(this.#latents(z).detach()).maps));
  }

  override get indexDims(): number {
    return 2;
  }

  override get codebook(): Tensor {
    return this.embedding.weight;
  }

  /** Number of tokens of an image, L. */
  get tokens(): number {
    return tokensOf(this.#sides);
  }

  /** Returns the indices of images, [B, L] or a list of maps [B, p, p] or [B, p²], as maps int64 [B, p, p]. */
  maps(indices: Tensor | readonly Tensor[]): Tensor[] {
    return mapsOf(indices, this.#sides);
  }

  /** Returns the codes of indices, [B, L] or a list of maps, as [B, C, H, W]. */
  override codes(indices: Tensor | readonly Tensor[]): Tensor {
    return this.accumulated(indices).at(-1)!;
  }

  /** Returns the sum of the scales' codes at full size after each scale, [B, C, H, W] each. */
  accumulated(indices: Tensor | readonly Tensor[]): Tensor[] {
    let sum: Tensor | null = null;
    return this.maps(indices).map((map, scale) => {
      const own = this.#atFullSize(map, scale);
      return (sum = sum ? sum.add(own) : own);
    });
  }

  /** Returns what a transformer reads at each position from the second scale on, [B, L − first scale's, C]. */
  transformerInput(indices: Tensor | readonly Tensor[]): Tensor {
    const inputs = this.accumulated(indices)
      .slice(0, -1)
      .map((sum, scale) => this.#pooled(sum, scale + 1));
    if (inputs.length === 0) throw new RangeError('MultiScaleVQ: one scale has no input from another');
    return torch.cat(
      inputs.map((input) => input.flatten(2).transpose(1, 2)),
      1,
    );
  }

  /**
   * Returns the transformer's input for the next scale, when a scale was drawn.
   *
   * @param scale number of the scale, from 0
   * @param map its indices, int64 [B, p, p] or [B, p²]
   * @param accumulated that of the scales before; null for the first one
   */
  nextInput(scale: number, map: Tensor, accumulated: Tensor | null = null): NextInput {
    if (!(Number.isInteger(scale) && scale >= 0 && scale < this.#sides.length)) {
      throw new RangeError(`MultiScaleVQ: scale must be from 0 to ${this.#sides.length - 1}, got ${scale}`);
    }
    const own = this.#atFullSize(mapOf(map, this.#sides, scale), scale);
    const sum = accumulated ? accumulated.add(own) : own;
    return {
      accumulated: sum,
      input: scale + 1 < this.#sides.length ? this.#pooled(sum, scale + 1) : sum,
    };
  }

  /**
   * Returns the percentage of codes in use at each scale: those with at least 0.08 of the hits that each would have if all
   * were chosen equally often.
   *
   * @param positions number of latents in a batch, B·H·W, of all processes
   */
  usage(positions: number): number[] {
    const least = (USED * positions) / this.nEmbed;
    return torch.scope(() => this.hits.ge(least).double().mean([1]).mul(100).tolist() as number[]);
  }

  /** Counts the hits of all processes, which then keep the same ones. */
  synchronize(): void {
    this.#synced = true;
  }

  protected override stateLoaded(): void {
    this.#updates = null;
  }

  get #sides(): readonly number[] {
    return this.config.vPatchNums;
  }

  /** Returns the scales' sum at full size and their indices; `after` is called with the sum after each scale. */
  #quantize(latents: Tensor, after?: (sum: Tensor) => void): { sum: Tensor; maps: Tensor[] } {
    let sum = torch.zerosLike(latents);
    let rest = latents;
    const maps = this.#sides.map((side, scale) => {
      const points = channelsToEnd(this.#pooled(rest, scale)); // [B, p, p, C]
      const chosen = chosenCodes(points.flatten(0, 2), this.codebook, this.#lookup);
      const map = chosen.reshape([-1, side, side]);
      const own = this.#atFullSize(map, scale).to(latents.dtype);
      sum = sum.add(own);
      rest = rest.sub(own.detach());
      after?.(sum);
      return map;
    });
    return { sum, maps };
  }

  get #lookup(): 'cosine' | 'nearest' {
    return this.config.usingZnorm ? 'cosine' : 'nearest';
  }

  /** Returns the codes of a scale's indices [B, p, p] at full size, mixed with their convolution: [B, C, H, W]. */
  #atFullSize(map: Tensor, scale: number): Tensor {
    const codes = channelsToFront(this.embedding.forward(map)); // [B, C, p, p]
    const side = this.#sides.at(-1)!;
    const last = scale === this.#sides.length - 1;
    const full = last ? codes : F.interpolate(codes, { size: [side, side], mode: 'bicubic' });
    return applyPhi(this.phi, full, scale, this.#sides.length);
  }

  /** Returns a map [B, C, H, W] as the means over the positions of a scale, [B, C, p, p]. */
  #pooled(x: Tensor, scale: number): Tensor {
    const side = this.#sides[scale]!;
    return x.shape[2] === side ? x : F.interpolate(x, { size: [side, side], mode: 'area' });
  }

  #latents(z: Tensor): Tensor {
    this.checkLatent(z);
    const side = this.#sides.at(-1)!;
    if (z.shape[2] !== side || z.shape[3] !== side) {
      throw new torch.ShapeError(
        `MultiScaleVQ quantizes a grid of ${side} × ${side}, the last of vPatchNums, not of ${z.shape[2]} × ${z.shape[3]}`,
      );
    }
    return atLeastFloat32(z);
  }

  /** Moves the averages of hits; the first scale of the first call replaces its own. */
  #count(maps: readonly Tensor[]): void {
    torch.scope(() => {
      this.#updates ??= Number(this.hits.any().item()) * SLOWER_AFTER;
      const chosen = torch.stack(maps.map((map) => map.flatten().bincount(null, this.nEmbed)));
      const found = chosen.to(this.hits.dtype); // [S, V]
      if (this.#synced && torch.distributed.worldSize() > 1) torch.distributed.allReduceCoalesced([found]);
      for (const scale of maps.keys()) {
        const kept = this.#updates === 0 ? 0 : this.#updates < SLOWER_AFTER ? 0.9 : 0.99;
        this.hits
          .select(0, scale)
          .mul_(kept)
          .add_(found.select(0, scale), { alpha: 1 - kept });
        this.#updates += 1;
      }
    });
  }
}
