/** Lookup-free quantization: a code is the signs of the channels (arXiv 2310.05737, section 3.1, and 2409.04410). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import type * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import type { Given, Settings } from '../../config/schema.js';
import type { QuantizedByTerms } from '../encoded.js';
import { bitWeights, signsOf } from './bits.js';
import { BitwiseQuantizer, numberedBits } from './bitwise.js';
import { checkedBits, lfqSchema as schema } from './lfq-settings.js';
import { lfqLosses } from './lfq-losses.js';
import { CosineSimLinear, projectedIn, projectedOut, projections } from './projection.js';
import type { QuantizerConfig } from './quantizer.js';

export type LFQConfig = Given<typeof schema>;

/**
 * Quantizes each channel to its sign, so that the index of a code is read off its channels: no codebook is stored or
 * searched. Entropy losses keep tokens certain and all codes in use. By `bitOrder` it is the one of lucidrains or that of
 * Open-MAGVIT2, whose indices are bit-reversed against each other. From 2^31 codes on, indices are bits.
 *
 * @example
 * ```ts
 * const quantizer = new LFQ({ codebookSize: 2 ** 10, commitmentLossWeight: 0.25 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 10, 4, 4])); // [2, 10, 4, 4], [2, 4, 4]
 * const bits = quantizer.bits(indices); // [2, 4, 4, 10]
 * ```
 */
export class LFQ extends BitwiseQuantizer<Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  static readonly keys = { rotation: 'orthogonal_rot' };
  protected static override readonly mayLack = ['mask'];
  readonly projectIn: nn.Linear | nn.Identity | CosineSimLinear;
  readonly projectOut: nn.Linear | nn.Identity;
  /** The rotation [Q·d, Q·d]; only with `orthogonalRotation`. */
  declare readonly rotation: Tensor | null;
  /** What each channel counts in an index, int64 [d]. */
  declare readonly mask: Tensor;
  /** Channels of a code before scaling, by their bit [2]; the dtype is that of the codes. */
  declare readonly signs: Tensor;

  constructor(config: LFQConfig) {
    const settings = readConfig(schema, config, 'LFQ');
    const { numCodebooks, bitwise, bitOrder, projectionHasBias: bias, codebookScale } = settings;
    const codeBits = checkedBits(settings);
    const inner = codeBits * numCodebooks;
    const dim = settings.dim ?? inner;
    super({ ...settings, embedDim: dim }, numberedBits({ codeBits, numCodebooks, bitwise }, 'LFQ'));
    const persistent = bitOrder === 'mostSignificantFirst';
    this.registerBuffer('mask', bitWeights(codeBits, bitOrder), { persistent });
    this.registerBuffer('signs', torch.tensor([-1, 1]), { persistent: false });
    const { projectIn, projectOut } = projections({ dim, inner, bias });
    this.projectIn = settings.cosineSimProjectIn
      ? new CosineSimLinear(dim, inner, { scale: codebookScale })
      : projectIn;
    this.projectOut = projectOut;
    if (settings.orthogonalRotation)
      this.registerBuffer('rotation', torch.linalgQr(torch.randn([inner, inner]))[0]);
  }

  /** Quantizes z [B, D, h, w]; see `BitwiseQuantizer` for the form of the indices. In evaluation, the losses are 0. */
  override forward(z: Tensor): QuantizedByTerms {
    const points = this.#points(z); // [B, h, w, Q, d]
    const bits = points.detach().gt(0);
    const codes = this.#codesOf(bits, points.dtype);
    return {
      quantized: this.#unrotated(this.#passed(points, codes), z.dtype), // [B, D, h, w]
      indices: this.indicesOfBits(bits.flatten(-2)),
      ...lfqLosses(points, codes, {
        ...this.config,
        size: this.#size,
        training: this.training,
        meanOf: (logits) => this.meanProbabilities(logits),
      }),
    };
  }

  override indices(z: Tensor): Tensor {
    return this.indicesOfBits(this.#points(z).gt(0).flatten(-2));
  }

  /**
   * Returns the loss by which a first stage is trained. Open-MAGVIT2's loss module weights the entropies and adds the
   * commitment: `entropyWeight`·`loss` + `commitmentWeight`·`losses.commitment`. Otherwise `loss`.
   *
   * @param entropyFactor multiplies the entropies, as at the beginning of Open-MAGVIT2's training. Default 1
   */
  override weighted({ loss, losses }: QuantizedByTerms, entropyFactor = 1): Tensor {
    const { bitOrder, entropyWeight, commitmentWeight } = this.config;
    const commitment = losses['commitment'];
    if (bitOrder === 'mostSignificantFirst' || !commitment) return loss;
    return loss.mul(entropyWeight * entropyFactor).add(commitment.mul(commitmentWeight));
  }

  /** Returns the indices of each part of a code, int64, in the shape of `indices`; only with `factorizedBits`. */
  factorizedIndices(indices: Tensor): Tensor[] {
    const { factorizedBits } = this.config;
    if (!factorizedBits) {
      throw new TypeError('LFQ: factorizedBits is missing; it says how many bits each part of an index has');
    }
    const parts = this.bits(indices)
      .unflatten(-1, [this.config.numCodebooks, this.codeBits])
      .split(factorizedBits, -1);
    return parts.map((bits) => {
      const weights = bitWeights(bits.shape.at(-1)!, this.config.bitOrder).to(indices.device);
      const each = bits.mul(weights).sum([-1]); // [B, h, w, Q]
      return this.config.numCodebooks > 1 ? each : each.squeeze(-1);
    });
  }

  /** The codes [K, D]; of several codebooks, or of bits, those of each before the linear map, [K, C]. */
  override get codebook(): Tensor {
    const { device } = this.mask;
    const all = torch.arange(this.nEmbed, { dtype: 'int64', device });
    if (this.indexDims === 3) {
      return this.codes(all.reshape([1, this.nEmbed, 1]))
        .reshape([this.embedDim, this.nEmbed])
        .t();
    }
    const bits = this.nEmbed === 2 ? all.unsqueeze(-1) : all.unsqueeze(-1).bitwiseAnd(this.mask);
    return signsOf(bits.ne(0), this.signs.dtype).mul(this.#size);
  }

  override codesOfBits(bits: Tensor): Tensor {
    const each = bits.unflatten(-1, [this.config.numCodebooks, this.codeBits]).ne(0);
    return this.#unrotated(this.#codesOf(each, this.signs.dtype), this.signs.dtype);
  }

  protected override get weights(): Tensor {
    return this.mask;
  }

  /** Absolute value of each channel of a code. */
  get #size(): number {
    const { codebookScale, spherical } = this.config;
    return spherical ? codebookScale / Math.sqrt(this.codeBits) : codebookScale;
  }

  /** Returns the channels to quantize of latents [B, D, h, w], [B, h, w, Q, d]. */
  #points(z: Tensor): Tensor {
    this.checkLatent(z);
    const { softClampInputValue: bound, spherical, codebookScale, numCodebooks } = this.config;
    const inner = projectedIn(z, this.projectIn); // [B, h, w, Q·d]
    const turned = this.rotation ? inner.matmul(this.rotation.to(inner.dtype)) : inner;
    const clamped = bound === undefined ? turned : turned.div(bound).tanh().mul(bound);
    const split = clamped.unflatten(-1, [numCodebooks, this.codeBits]);
    return spherical ? F.normalize(split, { dim: -1 }).mul(codebookScale) : split;
  }

  /** Returns the codes of bits [B, h, w, Q, d]. */
  #codesOf(bits: Tensor, dtype: torch.DType): Tensor {
    return signsOf(bits, dtype).mul(this.#size);
  }

  /** Returns the codes with the gradient of the activated channels; lucidrains' without any in evaluation. */
  #passed(points: Tensor, codes: Tensor): Tensor {
    const { bitOrder, straightThroughActivation: activation } = this.config;
    if (!this.training && bitOrder === 'mostSignificantFirst') return codes;
    const active = typeof activation === 'function' ? activation(points) : activations[activation](points);
    return active.add(codes.sub(active).detach());
  }

  /** Returns codes [B, h, w, Q, d] as [B, D, h, w]. */
  #unrotated(codes: Tensor, dtype: torch.DType): Tensor {
    const inner = codes.flatten(-2); // [B, h, w, Q·d]
    const turned = this.rotation ? inner.matmul(this.rotation.to(inner.dtype).t()) : inner;
    return projectedOut(turned, this.projectOut, dtype);
  }
}

const activations = {
  identity: (x: Tensor): Tensor => x,
  tanh: (x: Tensor): Tensor => x.tanh(),
  sigmoid: (x: Tensor): Tensor => x.sigmoid(),
};
