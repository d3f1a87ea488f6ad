import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { KeyValueCache } from '../models/key-value-cache.js';
import type { GPT } from '../models/transformer.js';
import { checkFilterOptions, pickToken } from './filters.js';
import type { PickOptions } from './filters.js';

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
 * gradients and never waits for the device, unless `onToken` reads the tokens.
 *
 * Embeddings, prefix and all but the last new token must fit the block: positions are absolute, so a window that
 * slides would show the model another sequence.
 */
export function generate(gpt: GPT, prefix: Tensor, steps: number, options: GenerateOptions = {}): Tensor {
  const { embeddings = null, cache: useCache = true, onToken, ...pick } = options;
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
  const embedded = embeddings?.shape[1] ?? 0;
  if (start + embedded === 0) {
    throw new torch.ShapeError('generate: nothing to continue; give at least one token or embedding.');
  }
  const positions = embedded + start + Math.max(steps - 1, 0);
  if (positions > gpt.blockSize) {
    throw new RangeError(
      `generate: ${steps} tokens after ${embedded + start} positions need a block of ${positions}, ` +
        `but the model's is ${gpt.blockSize}; ask for at most ${gpt.blockSize - embedded - start + 1} tokens.`,
    );
  }

  const wasTraining = gpt.training;
  gpt.eval();
  const cache = useCache && steps > 1 ? gpt.createCache(batch, positions) : null;
  try {
    return torch.noGrad(() =>
      torch.scope(() => {
        const tokens = torch.empty([batch, start + steps], { dtype: 'int64', device: prefix.device });
        tokens.narrow(1, 0, start).copy_(prefix);
        for (let step = 0; step < steps; step++) {
          torch.scope(() => {
            const end = start + step;
            const logits = nextLogits(gpt, tokens, end, embeddings, cache); // [B, V]
            const next = pickToken(logits, pick); // [B, 1]
            tokens.narrow(1, end, 1).copy_(next);
            onToken?.(step, next);
          });
        }
        return tokens;
      }),
    );
  } finally {
    cache?.dispose();
    if (wasTraining) gpt.train();
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
