/** Engine that calls the prior's forward for each token. */
import type { KeyValueCache } from '../../models/priors/key-value-cache.js';
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { drawToken } from '../logits.js';
import type { PickOptions } from '../logits.js';

/** Draws tokens into its own memory, in the order set by its caller. */
export interface Engine {
  /** Prefix and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** Largest of the logits each token was drawn from, at that token's index: `[B, room]` float64. */
  readonly peaks: Tensor;
  /** Starts a sequence with the first tokens `[B, L]` and the embeddings before them. */
  begin(prefix: Tensor, embeddings: Tensor | null): void;
  /** Draws token number `at` of each row, given all tokens before it. */
  draw(at: number): void;
  /** Frees the memory immediately. */
  dispose(): void;
}

export interface EagerEngineOptions extends PickOptions {
  batch: number;
  /** Number of tokens to allocate memory for, including the prefix. */
  room: number;
  /** Device of the tokens. */
  device: torch.Device;
  /** Cache of earlier keys and values, disposed of by the engine; if null, they are recomputed for each token. */
  cache: KeyValueCache | null;
}

export function eagerEngine(
  prior: Prior,
  { batch, room, device, cache, ...pick }: EagerEngineOptions,
): Engine {
  const tokens = torch.keep(torch.zeros([batch, room], { dtype: 'int64', device }));
  const peaks = torch.keep(torch.zeros([batch, room], { dtype: 'float64', device }));
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
    begin(prefix, embeddings) {
      before = embeddings;
      cache?.reset();
      tokens.narrow(1, 0, prefix.shape[1]!).copy_(prefix);
    },
    draw(at) {
      const { token, peak } = drawToken(logitsAfter(at), pick); // [B, 1]
      tokens.narrow(1, at, 1).copy_(token);
      peaks.narrow(1, at, 1).copy_(peak);
    },
    dispose() {
      torch.dispose([tokens, peaks]);
      cache?.dispose();
    },
  };
}
