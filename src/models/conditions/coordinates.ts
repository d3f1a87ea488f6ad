import { readConfig } from '../../config/read.js';
import { count, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import * as F from '../../torch/nn/functional.js';
import type { Encoded } from '../encoded.js';
import type { Condition } from './condition.js';

/**
 * Image coordinates: a map of pixel positions in [0, 1], averaged over blocks of `downFactor` pixels and rounded
 * to whole token ids. A block of value 1 gives the id `nEmbed`, which the transformer's vocabulary must then hold.
 *
 * @example
 * ```ts
 * const stage = new CoordStage({ nEmbed: 1024, downFactor: 16 });
 * const { indices } = stage.encode(torch.rand([1, 1, 256, 256])); // [1, 1, 16, 16]
 * ```
 */
export class CoordStage extends nn.Module implements Condition {
  protected static override readonly scoped: readonly string[] = ['encode', 'decode'];
  /** What its configuration may hold. */
  static readonly schema = {
    /** Number of ids, less one: positions become 0 to nEmbed. */
    nEmbed: count(),
    /** Pixels of a block, along each side. */
    downFactor: count(),
  };
  /** Number of ids, less one: positions become 0 to nEmbed. */
  readonly nEmbed: number;
  /** Pixels of a block, along each side. */
  readonly downFactor: number;
  /** The field of an example that holds the map of positions. */
  readonly field = 'coord';

  constructor(config: Given<typeof CoordStage.schema>) {
    super();
    const { nEmbed, downFactor } = readConfig(CoordStage.schema, config, 'CoordStage');
    this.nEmbed = nEmbed;
    this.downFactor = downFactor;
  }

  /** Coordinates `[B, 1, H, W]` → indices `[B, 1, H/f, W/f]` int64; `quantized` is the same as floats. */
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

  /** Quantized coordinates `[B, 1, h, w]` → a map `[B, 1, h·f, w·f]` in [0, 1]. */
  decode(quantized: Tensor): Tensor {
    return F.interpolate(quantized.div(this.nEmbed), { scaleFactor: this.downFactor, mode: 'nearest' });
  }

  /** What a map of positions is. */
  choices(): string {
    return 'maps of coordinates';
  }

  /** @throws RangeError always: a map is not written as text */
  parse(): never {
    throw new RangeError('a map of coordinates is not written as text; give its tensor to sampleImages');
  }
}
