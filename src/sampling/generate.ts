import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { inEvaluation } from '../torch/nn/index.js';
import type { KeyValueCache } from '../models/priors/key-value-cache.js';
import type { GPT } from '../models/priors/gpt.js';
import { checkFilterOptions, drawToken } from './filters.js';
import type { PickOptions } from './filters.js';
import { checkPeaks } from './logits-error.js';

export interface GenerateOptions extends PickOptions {
  /** Continuous vectors put before the tokens: `[B, N, nEmbd]`. */
  embeddings?: Tensor | null;
  /** Keep keys and values of earlier positions instead of computing them again; default true. */
  cache?: boolean;
  /** Called after every token with its number from 0 and the new tokens `[B, 1]`, valid during the call. */
  onToken?: (step: number, tokens: Tensor) => void;
}

/**
 * Continues token rows `[B, L]` by `steps` tokens: `[B, L + steps]` int64. Runs in evaluation mode without
 * gradients. Waits for a GPU once, at the end, to see that all logits were numbers, unless `onToken` reads the tokens.
 *
 * Embeddings, prefix and all but the last new token must fit the block: positions are absolute, so a window that
 * slides would show the model another sequence.
 *
 * @throws RangeError where they do not fit; LogitsError naming the step at which logits were NaN or infinite
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * const start = torch.zeros([2, 1], { dtype: 'int64' });
 * const tokens = generate(gpt, start, 63, { temperature: 1, topK: 100 }); // [2, 64]
 * ```
 */
export function generate(gpt: GPT, prefix: Tensor, steps: number, options: GenerateOptions = {}): Tensor {
  const { embeddings = null, cache: useCache = true, onToken, ...given } = options;
  const pick = codesOnly(gpt, given);
  checkFilterOptions(pick);
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new RangeError(`generate: steps must be an integer from 0, got ${steps}.`);
  }
  if (prefix.ndim !== 2) {
    throw new torch.ShapeError(
      `generate: the prefix must be [batch, length], got [${prefix.shape.join(', ')}].`,
    );
  }
  const [batch, start] = prefix.shape as [number, number];
  const before = start + (embeddings?.shape[1] ?? 0); // positions ahead of the first drawn token
  if (before === 0) {
    throw new torch.ShapeError('generate: nothing to continue; give at least one token or embedding.');
  }
  checkRoom('generate', before, steps, gpt.blockSize);

  const positions = before + Math.max(steps - 1, 0);
  return inEvaluation(gpt, () => {
    const cache = useCache && steps > 1 ? gpt.createCache(batch, positions) : null;
    try {
      return torch.noGrad(() =>
        torch.scope(() => {
          const { device } = prefix;
          const tokens = torch.empty([batch, start + steps], { dtype: 'int64', device });
          const peaks = torch.zeros([batch, steps], { dtype: 'float64', device });
          tokens.narrow(1, 0, start).copy_(prefix);
          for (let step = 0; step < steps; step++) {
            torch.scope(() => {
              const end = start + step;
              const logits = nextLogits(gpt, tokens, end, embeddings, cache); // [B, V]
              const { token, peak } = drawToken(logits, pick); // [B, 1]
              tokens.narrow(1, end, 1).copy_(token);
              peaks.narrow(1, step, 1).copy_(peak);
              // Reading costs nothing where nothing has to be waited for.
              if (device === 'cpu') checkPeaks(peak, 'generate', step);
              onToken?.(step, token);
            });
          }
          if (device !== 'cpu') checkPeaks(peaks, 'generate');
          return tokens;
        }),
      );
    } finally {
      cache?.dispose();
    }
  });
}

/** How to pick from a model's logits: unless told otherwise, ids that are codes. */
export function codesOnly<P extends PickOptions>(gpt: GPT, pick: P): P {
  return { ...pick, nCodes: pick.nCodes === undefined ? gpt.nCodes : pick.nCodes };
}

/**
 * Throws where `steps` tokens after `before` positions do not fit into `room`, of which the last token needs none.
 * @throws RangeError saying whether it is what is given that is too long, or how many tokens there is room for
 */
export function checkRoom(caller: string, before: number, steps: number, room: number): void {
  if (before > room) {
    throw new RangeError(
      `${caller}: the prefix, with embeddings and conditions, takes ${before} positions and is too long by ` +
        `${before - room}: there is room for ${room}. Shorten it, or build the model with a larger blockSize.`,
    );
  }
  const positions = before + Math.max(steps - 1, 0);
  if (positions > room) {
    throw new RangeError(
      `${caller}: ${steps} tokens after ${before} positions need room for ${positions}, but there is room for ${room}; ` +
        `ask for at most ${room - before + 1} tokens.`,
    );
  }
}

/** Logits of the token after the first `end`. [B, V] */
function nextLogits(
  gpt: GPT,
  tokens: Tensor,
  end: number,
  embeddings: Tensor | null,
  cache: KeyValueCache | null,
): Tensor {
  if (cache && cache.length > 0 && cache.length >= gpt.nUnmasked) {
    return gpt.forward(tokens.narrow(1, end - 1, 1), { cache, lastOnly: true }).squeeze(1);
  }
  // While the sequence still grows inside the unmasked prefix, each new token changes what earlier ones see.
  cache?.reset();
  return gpt.forward(tokens.narrow(1, 0, end), { embeddings, cache, lastOnly: true }).squeeze(1);
}
