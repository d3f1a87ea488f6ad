/** Residual quantization by rounding, each time to finer levels (arXiv 2309.15505 in turns). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, optional, type Given, type Settings } from '../../config/schema.js';
import { FSQ } from './fsq.js';
import { atLeastFloat32 } from './latents.js';
import { ResidualQuantizer, residualSchema } from './residual.js';
import type { QuantizerConfig } from './quantizer.js';

const schema = {
  ...residualSchema,
  /** Number of levels of each channel that is rounded, C of them. */
  levels: FSQ.schema.levels,
  /** Number of roundings in turn, Q. */
  numQuantizers: count(),
  /** If true, channels are bounded by cutting off instead of tanh. Default true. */
  boundHardClamp: flag(true),
  /** Bounds c of the channels, which c·tanh(x/c) keeps. Default: with `boundHardClamp` 1 + 1/(levels − 1), else none. */
  softClampInputValue: optional(
    kind<number | readonly number[]>(
      'a number above 0, or a list of one for each channel',
      (value) => [value].flat().length > 0 && [value].flat().every((one: unknown) => Number(one) > 0),
    )(),
  ),
};

export type ResidualFSQConfig = Given<typeof schema>;

/**
 * Rounds channels in turn: what one rounding leaves over is enlarged by the number of levels and rounded again. No
 * codebook is learnt, and the loss is 0.
 *
 * @example
 * ```ts
 * const quantizer = new ResidualFSQ({ levels: [8, 5, 5, 3], numQuantizers: 2 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 4, 16, 16])); // [2, 4, 16, 16], [2, 16, 16, 2]
 * ```
 */
export class ResidualFSQ extends ResidualQuantizer<FSQ, Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Levels of each channel, int64 [C, 1, 1]. */
  declare readonly sides: Tensor;
  /** Bounds of the channels, C of them or one for all, or none. */
  readonly bounds: readonly number[];

  constructor(config: ResidualFSQConfig) {
    const settings = readConfig(schema, config, 'ResidualFSQ');
    const { levels, numQuantizers, boundHardClamp, dim = levels.length } = settings;
    const given: number[] = [settings.softClampInputValue ?? []].flat(2);
    if (given.length > 1 && given.length !== levels.length) {
      throw new RangeError(
        `ResidualFSQ: softClampInputValue lists ${given.length} bounds for ${levels.length} channels: give one for each, or one for all`,
      );
    }
    const layers = Array.from(
      { length: numQuantizers },
      () => new FSQ({ levels, preserveSymmetry: true, boundHardClamp }),
    );
    const { nEmbed } = layers[0]!;
    super({ ...settings, nEmbed, embedDim: dim, unknownIndex: 'random' }, layers);
    this.bounds = boundHardClamp && given.length === 0 ? levels.map((one) => 1 + 1 / (one - 1)) : given;
    this.registerBuffer('sides', torch.tensor(levels.map(BigInt)).view([-1, 1, 1]), { persistent: false });
  }

  protected override bounded(x: Tensor): Tensor {
    if (this.bounds.length === 0) return x;
    // Filled on the device, in the dtype of x: a buffer would be rounded with the model, and a copy would wait.
    const { dtype, device } = x;
    const bounds = torch.cat(this.bounds.map((bound) => torch.full([1, 1, 1], bound, { dtype, device })));
    return x.div(bounds).tanh().mul(bounds);
  }

  protected override scale(i: number): Tensor {
    return this.sides.to(atLeastFloat32(this.layers.get(0).levels).dtype).pow(-i);
  }

  protected override joined(losses: readonly Tensor[]): Tensor {
    return losses[0]!;
  }
}
