import { readConfig } from '../../config/read.js';
import { flag, natural, optional, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition, ConditionSizes } from './condition.js';

/**
 * Unconditional: every sequence starts with the same token.
 *
 * @example
 * ```ts
 * const stage = new SOSProvider({ sosToken: 0 });
 * const { indices } = stage.encode(torch.zeros([4, 3, 64, 64])); // [4, 1], all 0
 * ```
 */
export class SOSProvider extends nn.Module implements Condition {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Start token of every sequence. */
    sosToken: natural(),
    /** Stored, but has no effect: `encode` always has the quantizer's interface. */
    quantizeInterface: optional(flag()),
  };
  /** Start token of every sequence. */
  readonly sosToken: number;
  /** Always null: no field of an example is read. */
  readonly field = null;
  /** Null: there is no map. */
  readonly channels = null;

  constructor(config: Given<typeof SOSProvider.schema>) {
    super();
    this.sosToken = readConfig(SOSProvider.schema, config, 'SOSProvider').sosToken;
  }

  /** Returns the sizes for `params` of a configuration. */
  static sizes(params: Readonly<Record<string, unknown>>): ConditionSizes {
    return { ids: ((params['sos_token'] ?? 0) as number) + 1, tokens: 1 };
  }

  /** Number of ids, of which only the last is used. */
  get nCodes(): number {
    return this.sosToken + 1;
  }

  /** Returns indices `[B, 1]` int64, all `sosToken`, for any input with B rows. */
  encode(x: Tensor): Encoded {
    const indices = torch.full([x.shape[0]!, 1], this.sosToken, { dtype: 'int64', device: x.device });
    return { quantized: indices, loss: null, indices };
  }

  /** Returns a note that there is nothing to choose. */
  choices(): string {
    return 'no condition';
  }

  /** Returns one row, `[1, 1]` int64, for any text; its value has no effect. */
  parse(): Tensor {
    return torch.zeros([1, 1], { dtype: 'int64' });
  }
}
