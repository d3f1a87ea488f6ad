import { readConfig } from '../../config/read.js';
import { flag, natural, optional, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition } from './condition.js';

/**
 * No condition: every sequence starts with the same token.
 *
 * @example
 * ```ts
 * const stage = new SOSProvider({ sosToken: 0 });
 * const { indices } = stage.encode(torch.zeros([4, 3, 64, 64])); // [4, 1], all 0
 * ```
 */
export class SOSProvider extends nn.Module implements Condition {
  /** What its configuration may hold. */
  static readonly schema = {
    /** The token that every sequence starts with. */
    sosToken: natural(),
    /** Kept; what encodes here always has the quantizer's interface. */
    quantizeInterface: optional(flag()),
  };
  /** The token that every sequence starts with. */
  readonly sosToken: number;
  /** It reads no field of an example. */
  readonly field = null;

  constructor(config: Given<typeof SOSProvider.schema>) {
    super();
    this.sosToken = readConfig(SOSProvider.schema, config, 'SOSProvider').sosToken;
  }

  /** Anything with B rows → indices `[B, 1]` int64, all `sosToken`. */
  encode(x: Tensor): Encoded {
    const indices = torch.full([x.shape[0]!, 1], this.sosToken, { dtype: 'int64', device: x.device });
    return { quantized: indices, loss: null, indices };
  }

  /** That there is nothing to choose. */
  choices(): string {
    return 'no condition';
  }

  /** Any text → one row, `[1, 1]` int64: what it holds has no effect. */
  parse(): Tensor {
    return torch.zeros([1, 1], { dtype: 'int64' });
  }
}
