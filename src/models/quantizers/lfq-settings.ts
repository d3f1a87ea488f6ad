/** The settings of LFQ, and which of them go together. */
import type { Tensor } from '../../torch/index.js';
import {
  count,
  counts,
  flag,
  kind,
  number,
  oneOf,
  optional,
  positive,
  type Field,
  type Settings,
} from '../../config/schema.js';
import { MOST_ENTROPY_BITS } from './bit-entropy.js';
import { bitOrders } from './bits.js';

const isPower = (value: number): boolean => 2 ** Math.round(Math.log2(value)) === value;

const activationNames = ['identity', 'tanh', 'sigmoid'] as const;

/** Settings of Open-MAGVIT2's losses and parts of indices. */
const ofOpenMagvit2 = {
  /** Weight of the entropy of each token. Default 1. */
  sampleMinimizationWeight: number(1),
  /** Weight of the entropy of the mean over tokens. Default 1. */
  batchMaximizationWeight: number(1),
  /** Weight of `loss` in training. Default 0.1. */
  entropyWeight: number(0.1),
  /** Weight of the commitment in training. Default 0.25. */
  commitmentWeight: number(0.25),
  /** Stands in published configurations; true needs `factorizedBits`, which has the effect. */
  tokenFactorization: optional(flag()),
  /** Bits of each part of an index, which together are all bits: see `factorizedIndices`. Default: not in parts. */
  factorizedBits: optional(counts()),
};

/** Settings of lucidrains' losses. */
const ofLucidrains = {
  /** Weight of the entropies. Default 0.1. */
  entropyLossWeight: number(0.1),
  /** Weight of the entropy of the mean over tokens among them. Default 1. */
  diversityGamma: number(1),
  /** Weight of the commitment. Default 0, and it is not computed. */
  commitmentLossWeight: number(0),
  /** If true, the entropies pass through a softplus, shifted by `entropyLossOffset`. Default false. */
  experimentalSoftplusEntropyLoss: flag(false),
  /** Default 5. */
  entropyLossOffset: number(5),
};

export const lfqSchema = {
  /** Number of codes, 2^d. Default: 2^dim. */
  codebookSize: optional(
    kind<number>(
      'a power of two from 2',
      (value) => Number.isInteger(value) && (value as number) > 1 && isPower(value as number),
    )(),
  ),
  /** Width of the latents, D; linear maps lead to the bits and back if it is not their number. Default: that. */
  dim: optional(count()),
  /** Number of codes at each position, Q. Default 1. */
  numCodebooks: count(1),
  /**
   * Which channel counts the most in an index: the first, as in lucidrains' implementation (default), or the last, as in
   * Open-MAGVIT2, whose losses are then computed.
   */
  bitOrder: oneOf(...bitOrders)('mostSignificantFirst'),
  /** Absolute value of the channels of a code, or with `spherical` its length. Default 1. */
  codebookScale: positive(1),
  /** Bound of the latents, by tanh, at least `codebookScale`. Default: none. */
  softClampInputValue: optional(positive()),
  /** If true, latents and codes lie on a sphere. Default false. */
  spherical: flag(false),
  /** If true, the linear map to the bits takes cosines. Default false. */
  cosineSimProjectIn: flag(false),
  /** If true, latents are turned by a fixed random rotation before they are quantized, and back after it. Default false. */
  orthogonalRotation: flag(false),
  /** If false, the linear maps have no bias. Default true. */
  projectionHasBias: flag(true),
  /** Function whose gradient the codes pass to the latents: `identity` (default), `tanh`, `sigmoid`, or one in TypeScript. */
  straightThroughActivation: kind<(typeof activationNames)[number] | ((x: Tensor) => Tensor)>(
    `a function or one of ${activationNames.join(', ')}`,
    (value) => typeof value === 'function' || activationNames.includes(value as 'tanh'),
  )('identity'),
  /** Inverse temperature of the softmax over codes. Default 100, which Open-MAGVIT2 always takes. */
  invTemperature: positive(100),
  /** Bits whose codes an entropy counts; the entropies of groups of bits are added. Default: all up to 20 bits, else 9. */
  entropyGroupSize: optional(count()),
  /** If true, indices are bits, int64 [B, h, w, Q·d]. Default: from 2^31 codes on. */
  bitwise: optional(flag()),
  ...ofLucidrains,
  ...ofOpenMagvit2,
};

export type LFQSettings = Settings<typeof lfqSchema>;

/** Returns the number of bits, after checking what readers of single settings cannot. */
export function checkedBits(settings: LFQSettings): number {
  const { codebookSize, dim, numCodebooks, factorizedBits, softClampInputValue, codebookScale } = settings;
  if (codebookSize === undefined && dim === undefined) {
    throw new TypeError('LFQ: codebookSize is missing; it must be a power of two from 2, or dim be given');
  }
  const bits = codebookSize === undefined ? dim! : Math.round(Math.log2(codebookSize));
  const [order, foreign] =
    settings.bitOrder === 'mostSignificantFirst'
      ? (['leastSignificantFirst', ofOpenMagvit2] as const)
      : (['mostSignificantFirst', ofLucidrains] as const);
  const own: Record<string, unknown> = settings;
  const wrong = Object.entries<Field>(foreign).find(([name, { fallback }]) => own[name] !== fallback)?.[0];
  if (wrong) throw new RangeError(`LFQ: ${wrong} belongs to bitOrder: '${order}', leave one of the two out`);
  if (settings.tokenFactorization && !factorizedBits) {
    throw new RangeError('LFQ: tokenFactorization needs factorizedBits, such as [6, 12] for 18 bits');
  }
  const sum = factorizedBits?.reduce((total, one) => total + one, 0) ?? bits;
  if (sum !== bits) {
    throw new RangeError(`LFQ: factorizedBits add up to ${sum}, but 2^${bits} codes have ${bits} bits`);
  }
  const group = settings.entropyGroupSize ?? 1;
  if (Math.min(group, bits) > MOST_ENTROPY_BITS) {
    throw new RangeError(
      `LFQ: entropyGroupSize is ${group}, but an entropy over so many codes is not computed: take at most ` +
        `${MOST_ENTROPY_BITS}, such as 9`,
    );
  }
  if (softClampInputValue !== undefined && softClampInputValue < codebookScale) {
    throw new RangeError(
      `LFQ: softClampInputValue is ${softClampInputValue}, so no latent reaches codes of ${codebookScale}: ` +
        'take at least codebookScale',
    );
  }
  if (settings.cosineSimProjectIn && (dim ?? bits * numCodebooks) === bits * numCodebooks) {
    throw new RangeError(`LFQ: cosineSimProjectIn needs a dim other than ${bits * numCodebooks}, the bits`);
  }
  return bits;
}
