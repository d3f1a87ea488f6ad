import { readConfig } from '../../config/read.js';
import { text, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition } from './condition.js';

/**
 * The condition already is a row of tokens (scene layouts).
 *
 * @example
 * ```ts
 * const stage = new DummyCondStage({ conditionalKey: 'objects' });
 * const { indices } = stage.encode(torch.tensor([[5n, 17n, 3n]])); // as they are
 * ```
 */
export class DummyCondStage extends nn.Module implements Condition {
  /** What its configuration may hold. */
  static readonly schema = {
    /** Name of the batch entry that holds the tokens. */
    conditionalKey: text(),
  };
  /** Name of the batch entry that holds the tokens. */
  readonly conditionalKey: string;

  constructor(config: Given<typeof DummyCondStage.schema>) {
    super();
    this.conditionalKey = readConfig(DummyCondStage.schema, config, 'DummyCondStage').conditionalKey;
  }

  /** The field of an example that holds the tokens. */
  get field(): string {
    return this.conditionalKey;
  }

  /** Tokens `[B, N]` → the same. */
  encode(tokens: Tensor): Encoded {
    return { quantized: tokens, loss: null, indices: tokens };
  }

  /** How a row of tokens is written. */
  choices(): string {
    return 'rows of tokens (such as 5,17,3)';
  }

  /**
   * Tokens with commas between them → `[1, N]` int64.
   * @throws RangeError for what is not a token
   */
  parse(row: string): Tensor {
    const tokens = row.split(',').map((token) => token.trim());
    const wrong = tokens.find((token) => !/^\d+$/.test(token));
    if (wrong === undefined) return torch.tensor([tokens.map(BigInt)], { dtype: 'int64' });
    throw new RangeError(`${JSON.stringify(wrong)} is not a token; write them as 5,17,3`);
  }
}
