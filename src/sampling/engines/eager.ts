/** Engine that calls the prior's forward for each token. */
import type { KeyValueCache } from '../../models/priors/key-value-cache.js';
import type { Prior } from '../../models/priors/prior.js';
import type { Tensor } from '../../torch/index.js';
import type { Start, TokenMemory } from './token-memory.js';

/** Draws tokens into its own memory, in the order set by its caller. */
export interface Engine {
  /** Prefix and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** Largest of the logits each token was drawn from, at that token's index: `[B, room]` float64. */
  readonly peaks: Tensor;
  /** Starts sequences. */
  begin(start: Start): void;
  /** Draws token number `at` of each row, given all tokens before it. */
  draw(at: number): void;
  /** Frees the memory immediately. */
  dispose(): void;
}

/**
 * Creates an engine that calls the prior for each token.
 *
 * @param memory memory of the tokens, disposed of by the engine
 * @param cache cache of earlier keys and values, disposed of by the engine; if null, they are recomputed for each token
 */
export function eagerEngine(prior: Prior, memory: TokenMemory, cache: KeyValueCache | null): Engine {
  const { tokens, peaks } = memory;
  let before: Tensor | null = null;

  /** Returns the logits of the token after the first `end` tokens. [B, V] */
  const logitsAfter = (end: number): Tensor => {
    if (cache && cache.length > 0 && cache.length >= prior.nUnmasked) {
      return prior.forward(tokens.narrow(1, end - 1, 1), { cache, lastOnly: true }).squeeze(1);
    }
    // While the sequence grows within the unmasked prefix, each new token changes the attention of earlier ones.
    cache?.reset();
    const options = { embeddings: before, cache, lastOnly: true };
    return prior.forward(tokens.narrow(1, 0, end), options).squeeze(1);
  };

  return {
    tokens,
    peaks,
    begin(start) {
      before = start.embeddings ?? null;
      cache?.reset();
      memory.begin(start);
    },
    draw(at) {
      const { token, peak } = memory.draw(logitsAfter(at), at); // [B, 1]
      tokens.narrow(1, at, 1).copy_(token);
      peaks.narrow(1, at, 1).copy_(peak);
    },
    dispose() {
      memory.dispose();
      cache?.dispose();
    },
  };
}
