/** What the transformer is conditioned on, turned into tokens. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import * as F from '../../torch/nn/functional.js';
import { readConfig } from '../../config/read.js';
import { count, flag, natural, optional, text, type Given } from '../../config/schema.js';

/** What a first or condition stage makes of its input; `indices` hold one row of tokens per image. */
export interface Encoded {
  quantized: Tensor;
  loss: Tensor | null;
  /** `[B, …]` int64. */
  indices: Tensor;
}

/** A module whose `encode` gives tokens: a VQModel, or one of the stages below. */
export interface Stage extends nn.Module {
  encode(x: Tensor): Encoded;
}

/**
 * Class labels: the class id is the one conditioning token.
 *
 * @example
 * ```ts
 * const stage = new Labelator({ nClasses: 1000 });
 * const { indices } = stage.encode(torch.tensor([207n, 9n])); // [2, 1]
 * ```
 */
export class Labelator extends nn.Module {
  /** What its configuration may hold. */
  static readonly schema = {
    /** Number of classes. */
    nClasses: count(),
    /** Kept; what encodes here always has the quantizer's interface. */
    quantizeInterface: optional(flag()),
  };
  /** Number of classes. */
  readonly nClasses: number;

  constructor(config: Given<typeof Labelator.schema>) {
    super();
    this.nClasses = readConfig(Labelator.schema, config, 'Labelator').nClasses;
  }

  /**
   * Labels `[B]` → indices `[B, 1]` int64.
   * @throws RangeError for a label that is no class; labels on a GPU are not looked at here, which would wait for it
   */
  encode(labels: Tensor): Encoded {
    if (labels.ndim !== 1) {
      throw new torch.ShapeError(`Labelator expects labels [batch], got shape [${labels.shape.join(', ')}].`);
    }
    if (labels.device === 'cpu') this.check(labels);
    const quantized = labels.unsqueeze(1);
    return { quantized, loss: null, indices: quantized.long() };
  }

  /**
   * Waits for the device and throws unless every label is the number of a class.
   * @throws RangeError naming the first that is not
   */
  check(labels: Tensor): void {
    const wrong = torch.scope(() => {
      const whole = labels.long();
      const outside = whole.lt(0).logicalOr(whole.ge(this.nClasses)).logicalOr(labels.ne(whole));
      if (!torch.callOperator('aten::item', '', [outside.any()])) return undefined;
      return labels.maskedSelect(outside).select(0, 0).item();
    });
    if (wrong === undefined) return;
    throw new RangeError(
      `Labelator: there is no class ${wrong}; the model has ${this.nClasses} classes, 0 to ${this.nClasses - 1}.`,
    );
  }
}

/**
 * No condition: every sequence starts with the same token.
 *
 * @example
 * ```ts
 * const stage = new SOSProvider({ sosToken: 0 });
 * const { indices } = stage.encode(torch.zeros([4, 3, 64, 64])); // [4, 1], all 0
 * ```
 */
export class SOSProvider extends nn.Module {
  /** What its configuration may hold. */
  static readonly schema = {
    /** The token that every sequence starts with. */
    sosToken: natural(),
    /** Kept; what encodes here always has the quantizer's interface. */
    quantizeInterface: optional(flag()),
  };
  /** The token that every sequence starts with. */
  readonly sosToken: number;

  constructor(config: Given<typeof SOSProvider.schema>) {
    super();
    this.sosToken = readConfig(SOSProvider.schema, config, 'SOSProvider').sosToken;
  }

  /** Anything with B rows → indices `[B, 1]` int64, all `sosToken`. */
  encode(x: Tensor): Encoded {
    const indices = torch.full([x.shape[0]!, 1], this.sosToken, { dtype: 'int64', device: x.device });
    return { quantized: indices, loss: null, indices };
  }
}

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
export class CoordStage extends nn.Module {
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
    return torch.scope(() => {
      const [, , height, width] = coordinates.shape as [number, number, number, number];
      const size = [Math.floor(height / this.downFactor), Math.floor(width / this.downFactor)];
      const pooled = coordinates.adaptiveAvgPool2d(size).clamp(0, 1); // [B, 1, h, w]
      const quantized = pooled.mul(this.nEmbed).round();
      return { quantized, loss: null, indices: quantized.long() };
    });
  }

  /** Quantized coordinates `[B, 1, h, w]` → a map `[B, 1, h·f, w·f]` in [0, 1]. */
  decode(quantized: Tensor): Tensor {
    return torch.scope(() =>
      F.interpolate(quantized.div(this.nEmbed), { scaleFactor: this.downFactor, mode: 'nearest' }),
    );
  }
}

/**
 * The condition already is a row of tokens (scene layouts).
 *
 * @example
 * ```ts
 * const stage = new DummyCondStage({ conditionalKey: 'objects' });
 * const { indices } = stage.encode(torch.tensor([[5n, 17n, 3n]])); // as they are
 * ```
 */
export class DummyCondStage extends nn.Module {
  /** What its configuration may hold. */
  static readonly schema = {
    /** Name of the batch entry that holds the tokens. */
    conditionalKey: text(),
  };
  /** Name of the batch entry that holds the tokens; kept, not used here. */
  readonly conditionalKey: string;

  constructor(config: Given<typeof DummyCondStage.schema>) {
    super();
    this.conditionalKey = readConfig(DummyCondStage.schema, config, 'DummyCondStage').conditionalKey;
  }

  /** Tokens `[B, N]` → the same. */
  encode(tokens: Tensor): Encoded {
    return { quantized: tokens, loss: null, indices: tokens };
  }
}
