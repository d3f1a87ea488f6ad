import { readConfig } from '../../config/read.js';
import { text, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition } from './condition.js';

/**
 * Passes through conditions that already are rows of tokens (scene layouts).
 *
 * @example
 * ```ts
 * const stage = new DummyCondStage({ conditionalKey: 'objects' });
 * const { indices } = stage.encode(torch.tensor([[5n, 17n, 3n]])); // as they are
 * ```
 */
export class DummyCondStage extends nn.Module implements Condition {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Key of the batch entry that holds the tokens. */
    conditionalKey: text(),
  };
  /** Key of the batch entry that holds the tokens. */
  readonly conditionalKey: string;

  constructor(config: Given<typeof DummyCondStage.schema>) {
    super();
    this.conditionalKey = readConfig(DummyCondStage.schema, config, 'DummyCondStage').conditionalKey;
  }

  /** Field of an example that holds the tokens. */
  get field(): string {
    return this.conditionalKey;
  }

  /** Returns the tokens `[B, N]` unchanged. */
  encode(tokens: Tensor): Encoded {
    return { quantized: tokens, loss: null, indices: tokens };
  }

  /** Returns a description of how to write a row of tokens. */
  choices(): string {
    return 'rows of tokens (such as 5,17,3)';
  }

  /**
   * Parses comma-separated tokens into `[1, N]` int64.
   * @throws RangeError if an entry is not a token
   */
  parse(row: string): Tensor {
    const tokens = row.split(',').map((token) => token.trim());
    const wrong = tokens.find((token) => !/^\d+$/.test(token));
    if (wrong === undefined) return torch.tensor([tokens.map(BigInt)], { dtype: 'int64' });
    throw new RangeError(
      `${JSON.stringify(wrong)} is not a token; write tokens as integers separated by commas, such as 5,17,3`,
    );
  }
}
