import { readConfig } from '../../config/read.js';
import { count, flag, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition, ConditionSizes } from './condition.js';

/** Field of the vectors. */
export const VECTORS = 'vectors';

/**
 * Conditions on vectors that another model made, such as embeddings of captions: they come before the codes, in the place
 * of tokens. A linear projection to the transformer's width is trained with it; its keys are `proj.weight` `[nEmbd, dim]`
 * and `proj.bias` `[nEmbd]`, below `cond_stage_model.` in a second stage.
 *
 * @example
 * ```ts
 * const stage = new VectorStage({ dim: 384, nEmbd: 192 });
 * const { indices: vectors } = stage.encode(torch.randn([2, 384])); // [2, 1, 384]
 * const embeddings = stage.embed(vectors); // [2, 1, 192]
 * ```
 */
export class VectorStage extends nn.Module implements Condition {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Length of a vector. */
    dim: count(),
    /** Width of the transformer. */
    nEmbd: count(),
    /** Vectors of an image, such as one for each word. Default 1. */
    count: count(1),
    /** True if it is trained with dropped conditions, for which vectors of zeros stand. Default false. */
    dropped: flag(false),
  };
  /** Length of a vector. */
  readonly dim: number;
  /** Width of the transformer. */
  readonly nEmbd: number;
  /** Vectors of an image. */
  readonly count: number;
  /** True if vectors of zeros stand for a dropped condition. */
  readonly hasDropped: boolean;
  /** Learned projection to the transformer's width. */
  readonly proj: nn.Linear;
  /** Name under which a batch holds the vectors. */
  readonly field = VECTORS;
  /** Null: its field is not a map. */
  readonly channels = null;

  constructor(config: Given<typeof VectorStage.schema>) {
    super();
    const settings = readConfig(VectorStage.schema, config, 'VectorStage');
    this.dim = settings.dim;
    this.nEmbd = settings.nEmbd;
    this.count = settings.count;
    this.hasDropped = settings.dropped;
    this.proj = new nn.Linear(settings.dim, settings.nEmbd);
    nn.init.normal_(this.proj.weight, 0, 0.02);
    nn.init.zeros_(this.proj.bias!);
  }

  /** Returns the sizes for `params` of a configuration. */
  static sizes(params: Readonly<Record<string, unknown>>): ConditionSizes {
    return { ids: 0, tokens: (params['count'] ?? 1) as number };
  }

  /** Returns vectors `[B, count, dim]`, or `[B, dim]` if an image has one, as `[B, count, dim]`. */
  encode(vectors: Tensor): Encoded {
    const rows = vectors.ndim === 2 ? vectors.unsqueeze(1) : vectors;
    const [, found, width] = rows.shape;
    if (rows.ndim !== 3 || found !== this.count || width !== this.dim || !rows.dtype.includes('float')) {
      throw new torch.ShapeError(
        `VectorStage expects vectors [batch, ${this.count}, ${this.dim}] of floating point numbers, got ${vectors.dtype} [${vectors.shape.join(', ')}].`,
      );
    }
    return { quantized: rows, loss: null, indices: rows };
  }

  /** Projects vectors `[B, count, dim]` to `[B, count, nEmbd]`. */
  embed(vectors: Tensor): Tensor {
    return this.proj.forward(vectors.to(this.proj.weight.dtype));
  }

  /** Returns a description such as `vectors of 512 numbers`. */
  choices(): string {
    return `vectors of ${this.dim} numbers`;
  }

  /** @throws RangeError always, because vectors cannot be given as text */
  parse(): never {
    throw new RangeError('vectors cannot be given as text; pass their tensor to encodeToC');
  }
}
