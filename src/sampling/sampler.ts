/** Draws tokens one after another from a prior: once with `generate`, repeatedly with a `TokenSampler`. */
import type { Prior } from '../models/priors/prior.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { eagerEngine } from './engines/eager.js';
import { recordedEngine, type RecordedEngine, type TokenSamplerOptions } from './engines/recorded.js';
import { checkSeeds } from './cell-noise.js';
import { rowsFor, TokenMemory } from './engines/token-memory.js';
import { checkGuidance, checkNullCondition, type GuidanceOptions } from './guidance.js';
import { checkFilterOptions, codesOnly } from './logits.js';
import type { PickOptions } from './logits.js';
import { drawInOrder, type KnownTokens } from './orders/raster.js';

export interface GenerateOptions extends PickOptions, GuidanceOptions {
  /** Continuous vectors prepended to the tokens: `[B, N, nEmbd]`. */
  embeddings?: Tensor | null;
  /**
   * Number of the prefix's first tokens that are a condition; those after them are the image's, which
   * `repetitionPenalty` looks at and `guidanceInterval` counts. Default: the length of `nullCondition`, else all of the
   * prefix.
   */
  conditionLength?: number;
  /**
   * Tokens of the dropped condition, `[B, N]` int64, which `guidance` needs: they replace the first N tokens of the prefix.
   * `Net2NetTransformer.dropped` returns them.
   */
  nullCondition?: Tensor | null;
  /** Vectors of the dropped condition, like `embeddings`, if those are the condition: with them `guidance` needs no tokens. */
  nullEmbeddings?: Tensor | null;
  /**
   * Seed of each row, integers from 0 to 2^53 − 1, instead of the generator: a row's tokens then depend on its seed alone,
   * not on the rows it is drawn with, except where two tokens are equally likely up to rounding. Default: none.
   */
  seeds?: readonly number[] | null;
  /**
   * Tokens that are known among the new ones: they are fed as they are, instead of those drawn. Default: none.
   */
  known?: KnownTokens | null;
  /** If true, cache keys and values of earlier positions instead of recomputing them. Default true. */
  cache?: boolean;
  /**
   * Called after every step with its number from 0 and the new tokens `[B, 1]`, which are valid during the call. It must not
   * change the weights.
   */
  onToken?: (step: number, tokens: Tensor) => void;
}

export type SequenceOptions = Pick<
  GenerateOptions,
  'embeddings' | 'conditionLength' | 'nullCondition' | 'nullEmbeddings' | 'seeds' | 'known' | 'onToken'
>;

/**
 * Continues token rows `[B, L]` by `steps` tokens and returns `[B, L + steps]` int64. Runs in evaluation mode without
 * gradients. Synchronizes with a GPU once, at the end, to check that all logits were finite, unless `onToken` reads the
 * tokens.
 *
 * Embeddings, prefix and all but the last new token must fit the block: positions are absolute, so a sliding window
 * would be a different sequence to the model.
 *
 * @throws RangeError if they do not fit the block; LogitsError naming the step at which logits were NaN or infinite
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * const start = torch.zeros([2, 1], { dtype: 'int64' });
 * const tokens = generate(gpt, start, 63, { temperature: 1, topK: 100 }); // [2, 64]
 * ```
 */
export function generate(prior: Prior, prefix: Tensor, steps: number, options: GenerateOptions = {}): Tensor {
  const {
    embeddings = null,
    conditionLength,
    nullCondition,
    nullEmbeddings,
    seeds,
    known,
    cache: useCache = true,
    onToken,
    ...given
  } = options;
  const pick = codesOnly(prior, given);
  checkFilterOptions(pick);
  checkGuidance(pick);
  checkSteps('generate', steps);
  if (prefix.ndim !== 2) {
    throw new torch.ShapeError(
      `generate: the prefix must be [batch, length], got [${prefix.shape.join(', ')}].`,
    );
  }
  const [batch, start] = prefix.shape as [number, number];
  const before = start + (embeddings?.shape[1] ?? 0); // positions before the first drawn token
  if (before === 0) {
    throw new torch.ShapeError(
      'generate: there is nothing to continue; pass at least one token or embedding.',
    );
  }
  checkRoom('generate', before, steps, prior.blockSize);
  checkNullCondition('generate', prefix, { nullCondition, nullEmbeddings, embeddings }, pick);
  checkSeeds('generate', seeds, batch);
  checkKnown('generate', known, [batch, steps]);
  const rows = rowsFor(batch, pick);
  const cache = useCache && steps > 1 ? (prior.createCache?.(rows, before + steps - 1) ?? null) : null;
  const { device } = prefix;
  const engine = eagerEngine(
    prior,
    new TokenMemory(prior, pick, { batch, room: start + steps, device }),
    cache,
  );
  try {
    const condition = { embeddings, conditionLength, nullCondition, nullEmbeddings };
    const sequence = { prefix, steps, ...condition, seeds, known, onToken };
    return drawInOrder('generate', prior, engine, sequence);
  } finally {
    engine.dispose();
  }
}

/**
 * Samples repeatedly from one GPT and keeps the memory, the fused weights and the recorded steps between calls. Every
 * call uses the model's current weights: the model may be trained, loaded or moved between calls. Call `dispose()` when
 * done (or declare the sampler with `using`).
 *
 * For a model with an unmasked prefix, the whole prefix must be given: tokens drawn within it would change earlier ones.
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
    checkGuidance(options);
    if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > prior.blockSize) {
      throw new RangeError(
        `TokenSampler: capacity must be an integer from 1 to the model's blockSize (${prior.blockSize}), got ${capacity}.`,
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

  /** Options for picking tokens. */
  get pick(): PickOptions & GuidanceOptions {
    return this.#options;
  }

  /** Reason steps run with operators although kernels were requested; otherwise null. */
  get kernelFailure(): string | null {
    return this.#engine?.kernelFailure ?? null;
  }

  /** Reason steps run eagerly although they should be recorded; null if they are replayed or not recorded yet. */
  get eagerReason(): string | null {
    return this.#engine?.eagerReason ?? null;
  }

  /**
   * Continues token rows `[B, L]` by `steps` tokens and returns `[B, L + steps]` int64, as `generate` does. Synchronizes
   * with a GPU once, at the end, to check that all logits were finite, unless `onToken` reads the tokens.
   *
   * @throws RangeError if they do not fit the block; LogitsError naming the step at which logits were NaN or infinite
   */
  sample(prefix: Tensor, steps: number, options: SequenceOptions = {}): Tensor {
    const { embeddings, seeds, known } = options;
    this.#check(prefix, (prefix.shape[1] ?? 0) + (embeddings?.shape[1] ?? 0), steps);
    checkNullCondition('TokenSampler', prefix, options, this.#options);
    checkSeeds('TokenSampler', seeds, this.#options.batch);
    checkKnown('TokenSampler', known, [this.#options.batch, steps]);
    const engine = this.#presentEngine();
    try {
      return drawInOrder('TokenSampler', this.#prior, engine, { ...options, prefix, steps });
    } catch (error) {
      engine.clear();
      throw error;
    }
  }

  /** Returns an engine that uses the model's current weights. */
  #presentEngine(): RecordedEngine {
    if (this.#disposed) throw new torch.DisposedError('TokenSampler: it was disposed; create a new one.');
    if (!this.#engine?.fits) {
      // The recordings read from the weights' old addresses.
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
        `TokenSampler: the prefix must be [${batch}, length] with at least one token or embedding, got [${prefix.shape.join(', ')}].`,
      );
    }
    checkRoom('TokenSampler', before, steps, this.#capacity);
    const { nUnmasked } = this.#prior;
    if (before < nUnmasked && steps > 1) {
      throw new RangeError(
        `TokenSampler: the model's unmasked prefix has ${nUnmasked} positions, of which ${before} are given; ` +
          'pass all of them, or use generate().',
      );
    }
  }

  /** Frees the memory and the recordings. Sampling afterwards throws. */
  dispose(): void {
    this.#disposed = true;
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** Frees the memory; called by `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws if `steps` is not a valid number of tokens. */
export function checkSteps(caller: string, steps: number): void {
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new RangeError(`${caller}: steps must be a non-negative integer, got ${steps}.`);
  }
}

/** @throws ShapeError unless known tokens and their mask have a place for each new token */
function checkKnown(
  caller: string,
  known: KnownTokens | null | undefined,
  [batch, steps]: [number, number],
): void {
  for (const [name, { shape }] of Object.entries(known ?? {}) as [string, Tensor][]) {
    if (shape.length === 2 && shape[0] === batch && shape[1] === steps) continue;
    throw new torch.ShapeError(
      `${caller}: known.${name} must be [${batch}, ${steps}], a place for each new token, got [${shape.join(', ')}].`,
    );
  }
}

/**
 * Checks that `steps` tokens after `before` positions fit into `room`. The last token does not need a position.
 * @throws RangeError saying that the given sequence is too long, or how many tokens there is room for
 */
export function checkRoom(caller: string, before: number, steps: number, room: number): void {
  if (before > room) {
    throw new RangeError(
      `${caller}: the prefix, with embeddings and conditions, takes ${before} positions, but there is room for ${room}: ` +
        `shorten it by ${before - room}, or build the model with a larger blockSize.`,
    );
  }
  const positions = before + Math.max(steps - 1, 0);
  if (positions > room) {
    throw new RangeError(
      `${caller}: ${steps} tokens after ${before} positions need ${positions} positions, but there is room for ${room}; ` +
        `ask for at most ${room - before + 1} tokens.`,
    );
  }
}
