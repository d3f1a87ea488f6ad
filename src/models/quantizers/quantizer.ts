/**
 * Base class of all quantizers, which map latents to codes and indices back to codes. Shapes: B images, D = embedDim,
 * a grid of h × w positions, N = B·h·w positions in total, K = nEmbed codes.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import type { Quantized } from '../encoded.js';
import { atLeastFloat32, channelsToEnd, channelsToFront, chosenCodes } from './latents.js';
import type { Lookup } from './lookups.js';
import { tokensOf, usedIndices, type UnknownIndex } from './remap.js';

/** Settings common to all quantizers. */
export interface QuantizerConfig {
  nEmbed: number;
  embedDim: number;
  remap?: readonly number[] | Tensor | string;
  unknownIndex: UnknownIndex;
  /** Rule by which a `LookupQuantizer` chooses codes. Default nearest. */
  lookup?: Lookup;
  /** Schedule by which a trainer lowers the temperature. */
  temperatureSchedulerConfig?: unknown;
}

/**
 * Base class of quantizers, as used by first stages and trainers. With `remap`, indices count among the codes in use,
 * which the state dict holds under `used`. Without it, this key is absent and both maps return their input.
 *
 * @example
 * ```ts
 * const quantizer: Quantizer = new VectorQuantizer({ nEmbed: 1024, embedDim: 256, legacy: false });
 * const { indices } = quantizer.forward(torch.randn([1, 256, 16, 16]));
 * const codes = quantizer.codes(indices.view([1, 16, 16])); // [1, 256, 16, 16]
 * ```
 */
export abstract class Quantizer<C extends QuantizerConfig = QuantizerConfig> extends nn.Module {
  protected static override readonly scoped: readonly string[] = ['codes'];
  /** Configuration, with defaults filled in. */
  readonly config: Readonly<C>;
  /** Indices of the codes in use, int64 [used]; only set with `remap`. */
  declare readonly used: Tensor | null;
  /** Number of distinct output indices: all codes, the used codes, or the used codes plus one. */
  readonly reEmbed: number;
  /** Token that replaces unused codes, or 'random'. */
  readonly unknownToken: 'random' | number;
  /** Current sampling temperature, which a trainer lowers; undefined if the quantizer does not use one. */
  declare temperature?: number;

  constructor(config: C) {
    super();
    this.config = config;
    if (!(config.nEmbed > 0 && config.nEmbed < 2 ** 31)) {
      throw new RangeError(
        `${this.constructor.name}: a codebook has 1 to 2^31 − 1 codes, but these settings give ${config.nEmbed}`,
      );
    }
    const used = config.remap ? usedIndices(config.remap, config.nEmbed) : null;
    const tokens = tokensOf(used?.numel() ?? config.nEmbed, used ? config.unknownIndex : 'random');
    if (used) this.registerBuffer('used', used);
    this.reEmbed = tokens.count;
    this.unknownToken = tokens.unknown;
  }

  /**
   * Quantizes z [B, latentDim, h, w] into codes [B, D, h, w] in the dtype of z, their loss, and indices [B·h·w] or
   * [B, h, w]. Computes in at least float32 (`atLeastFloat32`); gradients pass to z (`straightThrough`), indices through
   * `remapToUsed`; the loss of a quantizer without one is a zero scalar.
   */
  abstract override forward(z: Tensor): Quantized;

  /**
   * Returns the indices of latents z [B, latentDim, h, w] without random numbers, int64 [B, h, w]: those of `forward`, unless
   * that draws some. A quantizer whose `forward` does, or which can be remapped, overrides this: it takes the most likely
   * code, and chooses among the codes in use if others would be replaced by random ones.
   */
  indices(z: Tensor): Tensor {
    return inGrid(this.forward(z).indices, z);
  }

  /**
   * Returns the loss by which a first stage is trained, a scalar, of what `forward` returned: `loss`, unless the published
   * training weights its terms elsewhere.
   */
  weighted({ loss }: Quantized): Tensor {
    return loss;
  }

  /** Number of axes of the indices of images: 3 for [B, h, w], more if a position has several. */
  get indexDims(): number {
    return 3;
  }

  /** The codes: [K, D]. */
  abstract get codebook(): Tensor;

  /** Moves the codes `at` [M] to the latents `points` [M, D]; undefined if codes cannot be moved. */
  revive?(at: Tensor, points: Tensor): void;

  /**
   * Calls `fn`, in whose forwards no code moves, and returns a function that moves the codes once by all that they
   * quantized, if this quantizer moves its codes in its forward.
   *
   * @param _gather false if `fn` quantizes again what has been gathered before: nothing is then kept, and no code moves.
   * Default true
   */
  still(fn: () => void, _gather = true): () => void {
    fn();
    return () => {};
  }

  /** Number of codes in the codebook. */
  get nEmbed(): number {
    return this.config.nEmbed;
  }

  /** Width of a code, D. */
  get embedDim(): number {
    return this.config.embedDim;
  }

  /** Width of the input latents. */
  get latentDim(): number {
    return this.embedDim;
  }

  /** Returns the parameters trained by the generator's optimizer. */
  trained(): nn.Parameter[] {
    return this.parameters();
  }

  /** Returns the codes of `indices` (int64 [B, h, w]) as [B, D, h, w]. */
  codes(indices: Tensor): Tensor {
    this.checkIndices(indices);
    return channelsToFront(F.embedding(this.unmapToAll(indices), this.codebook));
  }

  /** Maps indices into the full codebook to positions among the used codes; same shape, at least one dimension. */
  remapToUsed(indices: Tensor): Tensor {
    const { used, unknownToken } = this;
    if (!used) return indices;
    return torch.scope(() => {
      const match = indices.unsqueeze(-1).eq(used); // [..., used]
      const position = match.to('int64').argmax(-1);
      // Drawn for every position, known or not: counting the unknown ones would synchronize with the device.
      const unknown =
        unknownToken === 'random'
          ? torch.randint(0, this.reEmbed, position.shape, { dtype: 'int64', device: indices.device })
          : torch.fullLike(position, unknownToken);
      return torch.where(match.any(-1), position, unknown);
    });
  }

  /** Maps positions among the used codes to full-codebook indices; the extra token maps to the first used code. */
  unmapToAll(indices: Tensor): Tensor {
    const { used } = this;
    if (!used) return indices;
    return torch.scope(() => {
      const known = used.numel();
      const position = this.reEmbed > known ? indices.maskedFill(indices.ge(known), 0) : indices;
      return used.indexSelect(0, position.reshape([-1])).reshape(indices.shape);
    });
  }

  /** Throws if indices are not int64. */
  protected checkIndices({ dtype }: Tensor): void {
    if (dtype !== 'int64')
      throw new torch.DTypeError(`indices must be int64, not ${dtype}: convert them with .long()`);
  }

  /** Throws if the shape of the latents is not one `forward` accepts. */
  protected checkLatent(z: Tensor): void {
    if (z.ndim !== 4 || z.shape[1] !== this.latentDim) {
      throw new torch.ShapeError(
        `the quantizer expects latents [B, ${this.latentDim}, h, w], got [${z.shape.join(', ')}]`,
      );
    }
  }
}

/**
 * A quantizer that assigns each latent a code by its lookup rule. With `lookup: 'cosine'` latents are scaled to length
 * 1, and the codes that it returns have length 1, as in ViT-VQGAN (arXiv 2110.04627, section 3.2) and LlamaGen; the
 * stored codebook stays as it is.
 *
 * @example
 * ```ts
 * const quantizer: LookupQuantizer = new SimVQ({ dim: 256, codebookSize: 1024 });
 * const chosen = quantizer.choose(torch.randn([5, 256])); // [5]
 * ```
 */
export abstract class LookupQuantizer<C extends QuantizerConfig = QuantizerConfig> extends Quantizer<C> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  override codes(indices: Tensor): Tensor {
    return this.scaled(super.codes(indices), 1);
  }

  /**
   * Returns the indices of the codes that the lookup rule chooses for latents [N, D]: int64 [N], the first one on ties.
   *
   * @param codebook codes to choose among, [K, D]; default: all
   */
  choose(latents: Tensor, codebook: Tensor = this.codebook): Tensor {
    return chosenCodes(latents, codebook, this.config.lookup ?? 'nearest');
  }

  override indices(z: Tensor): Tensor {
    this.checkLatent(z);
    const [batch, , height, width] = z.shape as [number, number, number, number];
    const points = atLeastFloat32(channelsToEnd(z)).reshape([-1, this.embedDim]); // [B·h·w, D]
    const { used, unknownToken } = this;
    const chosen =
      used && unknownToken === 'random'
        ? this.choose(points, this.codebook.indexSelect(0, used))
        : this.remapToUsed(this.choose(points));
    return chosen.reshape([batch, height, width]);
  }

  /** Returns the latents of z [B, D, h, w] and their chosen codes, both [B, h, w, D], and the code indices [N]. */
  protected nearest(z: Tensor): { points: Tensor; chosen: Tensor; codes: Tensor } {
    this.checkLatent(z);
    const { codebook } = this;
    const latents = atLeastFloat32(channelsToEnd(z));
    const codes = this.choose(latents.reshape([-1, this.embedDim]), codebook);
    const chosen = atLeastFloat32(F.embedding(codes, codebook)).reshape(latents.shape);
    return { points: this.scaled(latents, -1), chosen: this.scaled(chosen, -1), codes };
  }

  /** Returns vectors along `dim` as they are compared: of length 1 if the rule is `cosine`. */
  protected scaled(vectors: Tensor, dim: number): Tensor {
    return this.config.lookup === 'cosine' ? F.normalize(vectors, { dim }) : vectors;
  }
}

/**
 * A quantizer whose codes are the rows of a table, which can be moved.
 *
 * @example
 * ```ts
 * const quantizer: NearestQuantizer = new EMAVectorQuantizer({ nEmbed: 1024, embedDim: 256 });
 * quantizer.revive(torch.tensor([3n]), torch.randn([1, 256])); // code 3 moves
 * ```
 */
export abstract class NearestQuantizer<
  C extends QuantizerConfig = QuantizerConfig,
> extends LookupQuantizer<C> {
  /** Module that holds the codes. */
  abstract readonly embedding: { readonly weight: nn.Parameter };

  override get codebook(): nn.Parameter {
    return this.embedding.weight;
  }

  override revive(at: Tensor, points: Tensor): void {
    this.codebook.indexCopy_(0, at, points.to(this.codebook.dtype));
  }
}

/** Returns the chosen codes as [B, D, h, w], with a straight-through gradient to the latents (both [B, h, w, D]). */
export function straightThrough(points: Tensor, chosen: Tensor, dtype: torch.DType): Tensor {
  return channelsToFront(points.add(chosen.sub(points).detach())).to(dtype);
}

/** Returns flat indices [B·h·w] of latents z [B, …, h, w] as [B, h, w], and others as they are. */
export function inGrid(indices: Tensor, { shape }: Tensor): Tensor {
  return indices.ndim > 1 ? indices : indices.reshape([shape[0]!, ...shape.slice(2)]);
}
