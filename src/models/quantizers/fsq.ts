/** Finite scalar quantization: each channel is rounded to a few levels (arXiv 2309.15505). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, optional, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { atLeastFloat32 } from './latents.js';
import { projectedIn, projectedOut, projections } from './projection.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';

const schema = {
  /** Number of levels of each channel that is rounded, C of them; a code is a combination of levels. */
  levels: kind<readonly number[]>(
    'a list of integers from 2',
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((one: unknown) => Number.isSafeInteger(one) && (one as number) > 1),
  )(),
  /** Width of the latents, D; linear maps lead to the rounded channels and back if it is not their number. Default: that. */
  dim: optional(count()),
  /** Number of codes at each position, each of C channels; indices have a last axis of them if there are several. Default 1. */
  numCodebooks: count(1),
  /** If true, levels lie symmetrically around 0, also where their number is even. Default false. */
  preserveSymmetry: flag(false),
  /** If true, channels are bounded by cutting off instead of tanh. Default false. */
  boundHardClamp: flag(false),
  /** If true, channels are turned by a fixed random rotation before they are rounded, and back after it. Default false. */
  orthogonalRotation: flag(false),
  /** If false, the linear maps have no bias. Default true. */
  projectionHasBias: flag(true),
};

export type FSQConfig = Given<typeof schema>;

/** Channels after rounding, [..., C]: their values in [−1, 1], and the numbers of their levels as floats. */
interface Rounded {
  values: Tensor;
  digits: Tensor;
}

/**
 * Rounds each channel to one of a few levels; no codebook is learnt, so none can collapse, and the loss is 0. The index
 * counts combinations of levels; the first channel counts the least.
 *
 * @example
 * ```ts
 * const quantizer = new FSQ({ levels: [8, 5, 5, 5] }); // 1000 codes of width 4
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 4, 16, 16])); // [2, 4, 16, 16], [2, 16, 16]
 * ```
 */
export class FSQ extends Quantizer<Settings<typeof schema> & QuantizerConfig> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  static readonly keys = { rotation: 'orthogonal_rot' };
  readonly projectIn: nn.Linear | nn.Identity;
  readonly projectOut: nn.Linear | nn.Identity;
  /** The rotation [C·numCodebooks, C·numCodebooks]; only with `orthogonalRotation`. */
  declare readonly rotation: Tensor | null;
  /** Levels of each channel [C], rounded to its dtype, which is that of the codes. */
  declare readonly levels: Tensor;
  /** Levels of each channel, int64 [C]: exact in a model of any dtype. */
  declare readonly counts: Tensor;
  /** What a level of each channel counts in an index, int64 [C]. */
  declare readonly basis: Tensor;

  constructor(config: FSQConfig) {
    const settings = readConfig(schema, config, 'FSQ');
    const { levels, numCodebooks, preserveSymmetry, orthogonalRotation, projectionHasBias: bias } = settings;
    if (!preserveSymmetry && levels.includes(2)) {
      throw new RangeError(
        'FSQ: 2 levels need preserveSymmetry: true, because the levels of an even number are otherwise −1 to below 1',
      );
    }
    const inner = levels.length * numCodebooks;
    const dim = settings.dim ?? inner;
    const nEmbed = levels.reduce((product, one) => product * one, 1);
    super({ ...settings, nEmbed, embedDim: dim, unknownIndex: 'random' });
    const basis = levels.map((_, i) => levels.slice(0, i).reduce((product, one) => product * one, 1));
    this.registerBuffer('levels', torch.tensor(levels), { persistent: false });
    this.registerBuffer('counts', torch.tensor(levels.map(BigInt)), { persistent: false });
    this.registerBuffer('basis', torch.tensor(basis.map(BigInt)), { persistent: false });
    const { projectIn, projectOut } = projections({ dim, inner, bias });
    this.projectIn = projectIn;
    this.projectOut = projectOut;
    if (orthogonalRotation) this.registerBuffer('rotation', torch.linalgQr(torch.randn([inner, inner]))[0]);
  }

  /** Quantizes z [B, D, h, w]; indices are [B, h, w], with an axis of codebooks after them if there are several. */
  override forward(z: Tensor): Quantized {
    this.checkLatent(z);
    const inner = projectedIn(z, this.projectIn); // [B, h, w, Q·C]
    const turned = this.rotation ? inner.matmul(this.rotation.to(inner.dtype)) : inner;
    const { values, digits } = this.#rounded(turned.reshape([...inner.shape.slice(0, 3), -1, this.#width])); // [B, h, w, Q, C]
    const indices = digits.detach().long().mul(this.basis).sum([-1]); // [B, h, w, Q]
    return {
      quantized: this.#unrotated(values, z.dtype), // [B, D, h, w]
      loss: torch.zeros([], { dtype: inner.dtype, device: z.device }),
      indices: this.config.numCodebooks > 1 ? indices : indices.squeeze(-1),
      losses: {},
    };
  }

  override get indexDims(): number {
    return this.config.numCodebooks > 1 ? 4 : 3;
  }

  /** Codes by their index before the linear map: [K, C]. */
  get implicitCodebook(): Tensor {
    const all = torch.arange(this.nEmbed, { dtype: 'int64', device: this.levels.device });
    return this.#valuesOf(all).to(this.levels.dtype);
  }

  /** The codes [K, D]; with several codebooks those of each, before the linear map: [K, C]. */
  override get codebook(): Tensor {
    if (this.config.numCodebooks > 1) return this.implicitCodebook;
    const all = torch
      .arange(this.nEmbed, { dtype: 'int64', device: this.levels.device })
      .reshape([1, this.nEmbed, 1]);
    return this.codes(all).reshape([this.embedDim, this.nEmbed]).t();
  }

  /** Returns the codes of `indices`, int64 [B, h, w] or [B, h, w, Q], as [B, D, h, w]. */
  override codes(indices: Tensor): Tensor {
    const { numCodebooks } = this.config;
    this.checkIndices(indices);
    if (indices.ndim !== this.indexDims || (numCodebooks > 1 && indices.shape[3] !== numCodebooks)) {
      const form = numCodebooks > 1 ? `[B, h, w, ${numCodebooks}]` : '[B, h, w]';
      throw new torch.ShapeError(
        `the codes of indices ${form} can be had, not of [${indices.shape.join(', ')}]`,
      );
    }
    const each = numCodebooks > 1 ? indices : indices.unsqueeze(-1); // [B, h, w, Q]
    return this.#unrotated(this.#valuesOf(each), this.levels.dtype);
  }

  /** Returns the level of each channel of indices [...], int64 [..., C]. */
  levelIndices(indices: Tensor): Tensor {
    return indices.unsqueeze(-1).floorDivide(this.basis).remainder(this.counts);
  }

  get #width(): number {
    return this.config.levels.length;
  }

  /** Rounds channels [..., C], with a straight-through gradient. */
  #rounded(z: Tensor): Rounded {
    const { preserveSymmetry, boundHardClamp } = this.config;
    const levels = this.counts.to(z.dtype);
    const bound = (x: Tensor): Tensor => (boundHardClamp ? x.clamp(-1, 1) : x.tanh());
    if (preserveSymmetry) {
      const at = bound(z).add(1).mul(levels.sub(1)).div(2).add(0.5);
      const digits = at.detach().floor();
      return { values: through(at, digits).mul(levels.sub(1).reciprocal().mul(2)).sub(1), digits };
    }
    const half = levels.sub(1).mul(1.001 / 2);
    const offset = levels.remainder(2).eq(0).to(z.dtype).mul(0.5);
    const ratio = offset.div(half);
    const at = bound(z.add(boundHardClamp ? ratio : ratio.atanh()))
      .mul(half)
      .sub(offset);
    const middle = levels.div(2).floor();
    const rounded = at.detach().round();
    return { values: through(at, rounded).div(middle), digits: rounded.add(middle) };
  }

  /** Returns the values of indices [...] of a codebook, [..., C], in at least float32. */
  #valuesOf(indices: Tensor): Tensor {
    const { dtype } = atLeastFloat32(this.levels);
    const levels = this.counts.to(dtype);
    const digits = this.levelIndices(indices).to(dtype);
    if (this.config.preserveSymmetry) return digits.mul(levels.sub(1).reciprocal().mul(2)).sub(1);
    const middle = levels.div(2).floor();
    return digits.sub(middle).div(middle);
  }

  /** Returns values [B, h, w, Q, C] as codes [B, D, h, w]. */
  #unrotated(values: Tensor, dtype: torch.DType): Tensor {
    const inner = values.reshape([...values.shape.slice(0, 3), -1]); // [B, h, w, Q·C]
    const turned = this.rotation ? inner.matmul(this.rotation.to(inner.dtype).t()) : inner;
    return projectedOut(turned, this.projectOut, dtype);
  }
}

/** Returns the rounded values with the gradient of the unrounded ones. */
const through = (x: Tensor, rounded: Tensor): Tensor => x.add(rounded.sub(x.detach()));
