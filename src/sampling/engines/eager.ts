/** The engine that calls the prior's forward for each token. */
import type { KeyValueCache } from '../../models/priors/key-value-cache.js';
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { drawToken } from '../logits.js';
import type { PickOptions } from '../logits.js';

/** Draws tokens into memory of its own; an order says which comes next. */
export interface Engine {
  /** Given and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** Largest logit that each drawn token was drawn from, at that token's place: `[B, room]` float64. */
  readonly peaks: Tensor;
  /** Takes the first tokens `[B, L]`, and the embeddings before them. */
  begin(prefix: Tensor, embeddings: Tensor | null): void;
  /** Draws the token numbered `at`, one for each row, from all tokens before it. */
  draw(at: number): void;
  /** Frees the memory at once. */
  dispose(): void;
}

export interface EagerEngineOptions extends PickOptions {
  batch: number;
  /** Tokens there is memory for, given ones included. */
  room: number;
  /** Where the tokens are. */
  device: torch.Device;
  /** Keeps keys and values of earlier positions; without one they are computed again. The engine disposes of it. */
  cache: KeyValueCache | null;
}

export function eagerEngine(
  prior: Prior,
  { batch, room, device, cache, ...pick }: EagerEngineOptions,
): Engine {
  const tokens = torch.keep(torch.zeros([batch, room], { dtype: 'int64', device }));
  const peaks = torch.keep(torch.zeros([batch, room], { dtype: 'float64', device }));
  let before: Tensor | null = null;

  /** Logits of the token after the first `end`. [B, V] */
  const logitsAfter = (end: number): Tensor => {
    if (cache && cache.length > 0 && cache.length >= prior.nUnmasked) {
      return prior.forward(tokens.narrow(1, end - 1, 1), { cache, lastOnly: true }).squeeze(1);
    }
    // While the sequence still grows inside the unmasked prefix, each new token changes what earlier ones see.
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
