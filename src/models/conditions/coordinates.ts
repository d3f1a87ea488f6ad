import { readConfig } from '../../config/read.js';
import { count, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import * as F from '../../torch/nn/functional.js';
import type { Encoded } from '../encoded.js';
import type { Condition, ConditionSizes } from './condition.js';

/**
 * Conditions on image coordinates: a map of pixel positions in [0, 1] is averaged over blocks of `downFactor` pixels
 * and rounded to token ids. A block of value 1 gives the id `nEmbed`, so the transformer's vocabulary must include it.
 *
 * @example
 * ```ts
 * const stage = new CoordStage({ nEmbed: 1024, downFactor: 16 });
 * const { indices } = stage.encode(torch.rand([1, 1, 256, 256])); // [1, 1, 16, 16]
 * ```
 */
export class CoordStage extends nn.Module implements Condition {
  protected static override readonly scoped: readonly string[] = ['encode', 'decode'];
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Largest id: positions are mapped to 0 to nEmbed, so there are nEmbed + 1 ids. */
    nEmbed: count(),
    /** Side of the square blocks in pixels; each block becomes one token. */
    downFactor: count(),
  };
  /** Largest id: positions are mapped to 0 to nEmbed, so there are nEmbed + 1 ids. */
  readonly nEmbed: number;
  /** Side of the square blocks in pixels; each block becomes one token. */
  readonly downFactor: number;
  /** Field of an example that holds the position map, under the reference's name. */
  readonly field = 'coord';
  /** One channel: both positions are one number. */
  readonly channels = 1;

  constructor(config: Given<typeof CoordStage.schema>) {
    super();
    const { nEmbed, downFactor } = readConfig(CoordStage.schema, config, 'CoordStage');
    this.nEmbed = nEmbed;
    this.downFactor = downFactor;
  }

  /** Returns the sizes for `params` of a configuration and images of `size` pixels. */
  static sizes(params: Readonly<Record<string, unknown>>, size: number): ConditionSizes {
    const { n_embed: largest, down_factor: factor } = params as Record<string, number>;
    return { ids: largest! + 1, tokens: Math.floor(size / factor!) ** 2 };
  }

  /** Pixels per side covered by one token: `downFactor`. */
  get stride(): number {
    return this.downFactor;
  }

  /** Number of ids: nEmbed + 1. */
  get nCodes(): number {
    return this.nEmbed + 1;
  }

  /** Encodes coordinates `[B, 1, H, W]` as indices `[B, 1, H/f, W/f]` int64; `quantized` holds them as floats. */
  encode(coordinates: Tensor): Encoded {
    if (coordinates.ndim !== 4 || coordinates.shape[1] !== 1) {
      throw new torch.ShapeError(
        `CoordStage expects coordinates [batch, 1, height, width], got shape [${coordinates.shape.join(', ')}].`,
      );
    }
    const [, , height, width] = coordinates.shape as [number, number, number, number];
    const size = [Math.floor(height / this.downFactor), Math.floor(width / this.downFactor)];
    const pooled = coordinates.adaptiveAvgPool2d(size).clamp(0, 1); // [B, 1, h, w]
    const quantized = pooled.mul(this.nEmbed).round();
    return { quantized, loss: null, indices: quantized.long() };
  }

  /** Decodes quantized coordinates `[B, 1, h, w]` into a map `[B, 1, h·f, w·f]` in [0, 1]. */
  decode(quantized: Tensor): Tensor {
    return F.interpolate(quantized.div(this.nEmbed), { scaleFactor: this.downFactor, mode: 'nearest' });
  }

  /** Returns position maps `[B, 1, H, W]` in [0, 1] as grey images `[B, 3, H, W]` in [−1, 1]. */
  shown(maps: Tensor): Tensor {
    return maps.mul(2).sub(1).expand([-1, 3, -1, -1]).contiguous();
  }

  /** Returns a description of the position map. */
  choices(): string {
    return 'coordinate maps';
  }

  /** @throws RangeError always, because a map cannot be given as text */
  parse(): never {
    throw new RangeError('a coordinate map cannot be given as text; pass its tensor to sampleImages');
  }
}
