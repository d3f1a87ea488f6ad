/** Binary spherical quantization: a code is a corner of a cube in the sphere (arXiv 2406.07548, section 4). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import { readConfig } from '../../config/read.js';
import {
  count,
  flag,
  number,
  oneOf,
  optional,
  positive,
  type Given,
  type Settings,
} from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { entropyOf, MOST_ENTROPY_BITS, meanEntropy, meanProbabilities } from './bit-entropy.js';
import { bitsOfIndex, bitWeights, indexOfBits, signsOf } from './bits.js';
import { BitwiseQuantizer, numberedBits } from './bitwise.js';
import { bitShareEntropy, hardCodeEntropy } from './hard-entropy.js';
import { atLeastFloat32, channelsToEnd, channelsToFront } from './latents.js';
import type { QuantizerConfig } from './quantizer.js';

const schema = {
  /** Width of the latents and codes, D; there are 2^D codes. */
  embedDim: count(),
  /** Bits of a group, over whose codes entropies are computed; it divides `embedDim`. Default 9. */
  groupSize: count(9),
  /** Weight of the commitment. Default 0. */
  beta: number(0),
  /** Weight of the entropy of each token. Default 1. */
  gamma0: number(1),
  /** Weight of the entropy of the mean over tokens. Default 1. */
  gamma: number(1),
  /** Weight of both entropies. Default 0.1. */
  zeta: number(0.1),
  /** If true, codes have length 1 instead of channels of ±1. Default false. */
  l2Norm: flag(false),
  /** If true, latents are scaled to length 1. Default: the value of `l2Norm`, as the published model does it. */
  normalizeInput: optional(flag()),
  /** If `analytical`, both entropies are those of single bits, without groups. Default `group`. */
  persampleEntropyCompute: oneOf('group', 'analytical')('group'),
  /** If false, entropies are those of the chosen codes instead of a softmax over codes. Default true. */
  softEntropy: flag(true),
  /** Inverse temperature of the softmax. Default 1. */
  invTemperature: positive(1),
  /** If true, indices are bits, int64 [B, h, w, D]. Default: from 2^31 codes on. */
  bitwise: optional(flag()),
};

export type BSQConfig = Given<typeof schema>;

/** Logarithm of the published entropies. */
const log = (p: Tensor): Tensor => p.add(1e-8).log();

/**
 * Quantizes latents on the unit sphere to the signs of their channels, so that the index of a code is read off them.
 * Entropy losses over groups of bits, or single bits, keep tokens certain and all codes in use; they are also computed in
 * evaluation. From 2^31 codes on, indices are bits.
 *
 * @example
 * ```ts
 * const quantizer = new BSQ({ embedDim: 18, l2Norm: true });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 18, 4, 4])); // [2, 18, 4, 4], [2, 4, 4]
 * const groups = quantizer.groupIndices(indices); // [2, 4, 4, 2]
 * ```
 */
export class BSQ extends BitwiseQuantizer<Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  protected static override readonly mayLack = ['basis', 'group_basis'];
  /** What each channel counts in an index, int64 [D]: the first the most. */
  declare readonly basis: Tensor;
  /** What each channel of a group counts in its index, int64 [groupSize]. */
  declare readonly groupBasis: Tensor;
  /** Channels of a code before scaling, by their bit [2]; the dtype is that of the codes. */
  declare readonly signs: Tensor;

  constructor(config: BSQConfig) {
    const settings = readConfig(schema, config, 'BSQ');
    const { embedDim: codeBits, groupSize, bitwise, l2Norm, normalizeInput = l2Norm } = settings;
    if (codeBits % groupSize !== 0) {
      throw new RangeError(
        `BSQ: groupSize must divide embedDim; ${groupSize} does not divide ${codeBits}, ` +
          `such as ${divisorNear(codeBits, groupSize)} does`,
      );
    }
    const counted = settings.softEntropy && settings.persampleEntropyCompute === 'group';
    if (counted && groupSize > MOST_ENTROPY_BITS) {
      throw new RangeError(
        `BSQ: groupSize is ${groupSize}, but an entropy over 2^${groupSize} codes is not computed: take at most ` +
          `${MOST_ENTROPY_BITS}, or persampleEntropyCompute: 'analytical'`,
      );
    }
    super({ ...settings, normalizeInput }, numberedBits({ codeBits, numCodebooks: 1, bitwise }, 'BSQ'));
    this.registerBuffer('basis', bitWeights(codeBits));
    this.registerBuffer('groupBasis', bitWeights(groupSize));
    this.registerBuffer('signs', torch.tensor([-1, 1]), { persistent: false });
  }

  /** Quantizes z [B, D, h, w]; see `BitwiseQuantizer` for the form of the indices. */
  override forward(z: Tensor): Quantized {
    const points = this.#points(z); // [B, h, w, D]
    const bits = points.detach().gt(0);
    const signs = signsOf(bits, points.dtype);
    const passed = points.add(signs.sub(points).detach());
    const { beta, gamma0, gamma, zeta, invTemperature } = this.config;
    const codes = signs.mul(this.#size);
    const commitment = codes.sub(points).square().sum([-1]).mean().mul(beta);
    const { perSampleEntropy, codebookEntropy } = this.#entropies(points, passed);
    const entropies = perSampleEntropy.mul(gamma0).sub(codebookEntropy.mul(gamma));
    return {
      quantized: channelsToFront(passed.mul(this.#size)).to(z.dtype), // [B, D, h, w]
      loss: commitment.add(entropies.mul(zeta / invTemperature)),
      indices: this.indicesOfBits(bits),
      losses: { perSampleEntropy, codebookEntropy, commitment },
    };
  }

  override indices(z: Tensor): Tensor {
    return this.indicesOfBits(this.#points(z).gt(0));
  }

  /** Returns latents [B, D, h, w] as they are quantized: with `normalizeInput`, of length 1. */
  normalized(z: Tensor): Tensor {
    return channelsToFront(this.#points(z));
  }

  /** Returns the indices of the groups of bits of `indices`, int64 [B, h, w, D / groupSize]. */
  groupIndices(indices: Tensor): Tensor {
    return indexOfBits(this.bits(indices).unflatten(-1, [-1, this.config.groupSize]), this.groupBasis);
  }

  /** Returns the codes of indices of groups, int64 [B, h, w, D / groupSize], as [B, D, h, w]. */
  codesOfGroups(groupIndices: Tensor): Tensor {
    this.checkIndices(groupIndices);
    const { embedDim, groupSize } = this.config;
    if (groupIndices.ndim !== 4 || groupIndices.shape[3] !== embedDim / groupSize) {
      throw new torch.ShapeError(
        `BSQ has codes of indices [B, h, w, ${embedDim / groupSize}] of groups, not of [${groupIndices.shape.join(', ')}]`,
      );
    }
    return this.codesOfBits(bitsOfIndex(groupIndices, this.groupBasis).flatten(-2));
  }

  /**
   * Returns the mean probabilities of the codes of each group over the tokens of z [B, D, h, w]: [D / groupSize,
   * 2^groupSize], or with `analytical` those of each bit, [D, 2].
   */
  averageProbabilities(z: Tensor): Tensor {
    return torch.stack(this.#groups(this.#points(z)).map(meanProbabilities));
  }

  /** Returns the distinct indices among `indices`, sorted, int64 [used]; of bits, the distinct rows [used, D]. */
  usedCodes(indices: Tensor): Tensor {
    const rows = indices.reshape([-1, this.indexDims === 3 ? 1 : indices.shape.at(-1)!]);
    const [used] = rows.uniqueDim(0);
    return this.indexDims === 3 ? used.squeeze(1) : used;
  }

  /** The codes [K, D]; if indices are bits, those of a bit, [2, 1]. */
  override get codebook(): Tensor {
    const all = torch.arange(this.nEmbed, { dtype: 'int64', device: this.basis.device }).unsqueeze(-1);
    const bits = this.indexDims === 3 ? all.bitwiseAnd(this.basis) : all;
    return signsOf(bits.ne(0), this.signs.dtype).mul(this.#size);
  }

  override codesOfBits(bits: Tensor): Tensor {
    return channelsToFront(signsOf(bits.ne(0), this.signs.dtype).mul(this.#size));
  }

  protected override get weights(): Tensor {
    return this.basis;
  }

  /** Absolute value of each channel of a code. */
  get #size(): number {
    return this.config.l2Norm ? 1 / Math.sqrt(this.embedDim) : 1;
  }

  /** Returns the latents to quantize, [B, h, w, D]. */
  #points(z: Tensor): Tensor {
    this.checkLatent(z);
    const points = atLeastFloat32(channelsToEnd(z));
    return this.config.normalizeInput ? F.normalize(points, { dim: -1 }) : points;
  }

  /** Returns the log-odds of the bits of each group, [N, bits] each. */
  #groups(points: Tensor): Tensor[] {
    const { persampleEntropyCompute, groupSize, invTemperature } = this.config;
    const logits = points.flatten(0, 2).mul(4 * invTemperature * this.#size); // [N, D]
    return logits.split(persampleEntropyCompute === 'group' ? groupSize : 1, 1);
  }

  /** Returns the entropies of latents and of their signs with a straight-through gradient, both [B, h, w, D]. */
  #entropies(points: Tensor, signs: Tensor): Record<'perSampleEntropy' | 'codebookEntropy', Tensor> {
    if (!this.config.softEntropy) {
      return { perSampleEntropy: bitShareEntropy(signs), codebookEntropy: hardCodeEntropy(signs) };
    }
    const groups = this.#groups(points);
    const total = (of: (logits: Tensor) => Tensor): Tensor => torch.stack(groups.map(of)).sum();
    return {
      perSampleEntropy: total((logits) => meanEntropy(logits, log)),
      codebookEntropy: total((logits) => entropyOf(this.meanProbabilities(logits), log)),
    };
  }
}

/** Returns the divisor of `whole` that is nearest to `wanted`, the smaller one of two. */
function divisorNear(whole: number, wanted: number): number {
  const divisors = Array.from({ length: whole }, (_, i) => i + 1).filter((one) => whole % one === 0);
  return divisors.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
}
