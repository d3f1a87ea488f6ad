/** Draws tokens one after another from a prior: once by `generate`, again and again by a `TokenSampler`. */
import type { Prior } from '../models/priors/prior.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { eagerEngine } from './engines/eager.js';
import { recordedEngine, type RecordedEngine, type TokenSamplerOptions } from './engines/recorded.js';
import { checkFilterOptions, codesOnly } from './logits.js';
import type { PickOptions } from './logits.js';
import { drawInOrder } from './orders/raster.js';

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
export function generate(prior: Prior, prefix: Tensor, steps: number, options: GenerateOptions = {}): Tensor {
  const { embeddings = null, cache: useCache = true, onToken, ...given } = options;
  const pick = codesOnly(prior, given);
  checkFilterOptions(pick);
  checkSteps('generate', steps);
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
  checkRoom('generate', before, steps, prior.blockSize);
  const cache = useCache && steps > 1 ? prior.createCache(batch, before + steps - 1) : null;
  const { device } = prefix;
  const engine = eagerEngine(prior, { ...pick, batch, room: start + steps, device, cache });
  try {
    return drawInOrder('generate', prior, engine, { prefix, steps, embeddings, onToken });
  } finally {
    engine.dispose();
  }
}

/**
 * Samples again and again from one GPT, with the memory, the fused weights and the recordings of steps kept between calls.
 * Every call draws by the weights that the model has then: it may be trained, loaded into or moved in between. Call
 * `dispose()` when done (or declare the sampler with `using`).
 *
 * A model with an unmasked prefix needs its whole prefix given: tokens drawn within it would change what came before.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * using sampler = new TokenSampler(gpt.eval(), { batch: 4, topK: 100 });
 * const prefix = torch.zeros([4, 1], { dtype: 'int64' });
 * const tokens = sampler.sample(prefix, 255); // [4, 256]
 * ```
 */
export class TokenSampler extends torch.InThread {
  readonly #prior: Prior;
  readonly #options: TokenSamplerOptions;
  readonly #capacity: number;
  #engine: RecordedEngine | null;
  #disposed = false;

  constructor(prior: Prior, options: TokenSamplerOptions) {
    super('a sampler', 'make one in each thread');
    const { capacity = prior.blockSize, bucket = 32 } = options;
    checkFilterOptions(options);
    if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > prior.blockSize) {
      throw new RangeError(
        `TokenSampler: capacity must be an integer from 1 to the model's block of ${prior.blockSize}, got ${capacity}.`,
      );
    }
    if (!Number.isSafeInteger(bucket) || bucket < 1) {
      throw new RangeError(`TokenSampler: bucket must be a positive integer, got ${bucket}.`);
    }
    this.#prior = prior;
    this.#options = options;
    this.#capacity = capacity;
    this.#engine = recordedEngine(prior, options);
  }

  /** How tokens are picked. */
  get pick(): PickOptions {
    return this.#options;
  }

  /** Why steps are run by operators though kernels were asked for; else null. */
  get kernelFailure(): string | null {
    return this.#engine?.kernelFailure ?? null;
  }

  /** Why steps are run as they are though they were to be recorded; null where they are repeated, or not yet recorded. */
  get eagerReason(): string | null {
    return this.#engine?.eagerReason ?? null;
  }

  /**
   * Continues token rows `[B, L]` by `steps` tokens: `[B, L + steps]` int64, as `generate` does. Waits for a GPU once, at
   * the end, to see that all logits were numbers, unless `onToken` reads the tokens.
   *
   * @throws RangeError where they do not fit; LogitsError naming the step at which logits were NaN or infinite
   */
  sample(
    prefix: Tensor,
    steps: number,
    { embeddings = null, onToken }: Pick<GenerateOptions, 'embeddings' | 'onToken'> = {},
  ): Tensor {
    this.#check(prefix, (prefix.shape[1] ?? 0) + (embeddings?.shape[1] ?? 0), steps);
    const engine = this.#presentEngine();
    try {
      return drawInOrder('TokenSampler', this.#prior, engine, { prefix, steps, embeddings, onToken });
    } catch (error) {
      engine.clear();
      throw error;
    }
  }

  /** An engine that computes with the model's present weights. */
  #presentEngine(): RecordedEngine {
    if (this.#disposed) throw new torch.DisposedError('TokenSampler: it was disposed; make a new one.');
    if (!this.#engine?.fits) {
      // What was recorded reads where the weights lay.
      this.#engine?.dispose();
      this.#engine = null;
      this.#engine = recordedEngine(this.#prior, this.#options);
    }
    return this.#engine;
  }

  #check(prefix: Tensor, before: number, steps: number): void {
    const { batch } = this.#options;
    checkSteps('TokenSampler', steps);
    if (prefix.ndim !== 2 || prefix.shape[0] !== batch || before === 0) {
      throw new torch.ShapeError(
        `TokenSampler: made for a prefix [${batch}, length] of at least one token or embedding, got [${prefix.shape.join(', ')}].`,
      );
    }
    checkRoom('TokenSampler', before, steps, this.#capacity);
    const { nUnmasked } = this.#prior;
    if (before < nUnmasked && steps > 1) {
      throw new RangeError(
        `TokenSampler: the model's unmasked prefix has ${nUnmasked} positions, of which ${before} are given; ` +
          'give them all, or use generate().',
      );
    }
  }

  /** Frees the memory and forgets the recordings; sampling is an error afterwards. */
  dispose(): void {
    this.#disposed = true;
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** For `using`: frees the memory. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws where `steps` is not a number of tokens. */
export function checkSteps(caller: string, steps: number): void {
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new RangeError(`${caller}: steps must be an integer from 0, got ${steps}.`);
  }
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
