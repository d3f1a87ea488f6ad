/** Engine that calls the prior's forward for each token. */
import type { KeyValueCache } from '../../models/priors/key-value-cache.js';
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Start, TokenMemory } from './token-memory.js';

/** Draws tokens into its own memory, in the order set by its caller. */
export interface Engine {
  /** Prefix and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** The tokens as the model is given them, `[R, room]`: with guidance again, after the dropped condition (R = 2B). */
  readonly fed: Tensor;
  /** Largest of the logits each token was drawn from, at that token's index: `[B, room]` float64. */
  readonly peaks: Tensor;
  /** Weights with which each step multiplies the vectors of the newest tokens, if they may be packed meanwhile. */
  readonly products: readonly nn.Affine[];
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
  const { tokens, fed, peaks } = memory;
  let before: Tensor | null = null;

  /** Returns the logits of the token after the first `end` tokens. [R, V] */
  const logitsAfter = (end: number): Tensor => {
    if (cache && cache.length > 0 && cache.length >= prior.nUnmasked) {
      return prior.forward(fed.narrow(1, end - 1, 1), { cache, lastOnly: true }).squeeze(1);
    }
    // While the sequence grows within the unmasked prefix, each new token changes the attention of earlier ones.
    cache?.reset();
    const options = { embeddings: before, cache, lastOnly: true };
    return prior.forward(fed.narrow(1, 0, end), options).squeeze(1);
  };

  return {
    tokens,
    fed,
    peaks,
    products: cache ? [...prior.modules()].filter((module) => module instanceof nn.Linear) : [],
    begin(start) {
      const { embeddings = null, nullEmbeddings } = start;
      const guided = embeddings && fed !== tokens;
      before = guided ? torch.cat([embeddings, nullEmbeddings ?? embeddings]) : embeddings;
      cache?.reset();
      memory.begin(start);
    },
    draw(at) {
      const { next, peak } = memory.draw(logitsAfter(at), at); // [R, 1], [B, 1]
      fed.narrow(1, at, 1).copy_(next);
      peaks.narrow(1, at, 1).copy_(peak);
    },
    dispose() {
      memory.dispose();
      cache?.dispose();
    },
  };
}
