/** Filters logits and draws the next token. No function here reads values back from a GPU. */
import * as torch from '../torch/index.js';
import type { Generator, Tensor } from '../torch/index.js';
import { filterEntries as entries, filters, type FilterOptions } from './filters.js';
import { checkPeaks } from './logits-error.js';

export type { FilterOptions } from './filters.js';

export interface PickOptions extends FilterOptions {
  /** Take the most likely token instead of drawing one. Default false. */
  greedy?: boolean;
  /** Random number generator. Default: the device's generator. */
  generator?: Generator | null;
}

/** Returns the filter options among the settings, in the order of application. */
export function filtersAmong(settings: FilterOptions): FilterOptions {
  return Object.fromEntries(entries.flatMap(([name]) => (name in settings ? [[name, settings[name]]] : [])));
}

/** Throws a `RangeError` naming the first invalid option. */
export function checkFilterOptions(options: FilterOptions): void {
  for (const [name, { fits, must, instead = '.' }] of entries) {
    const value = options[name] ?? null;
    if (value !== null && !fits(value)) throw new RangeError(`${name} must ${must}, got ${value}${instead}`);
  }
}

const unseen = { torch, seen: null };

/** Sets the logits of ids from `count` on to −∞, so that only codes are drawn. `[…, V]` → `[…, V]` */
export function codeLogits(logits: Tensor, count: number): Tensor {
  return filters.nCodes.apply(logits, count, unseen);
}

/** Sets all logits below the k-th largest to −∞; ties with the k-th are kept. `[…, V]` → `[…, V]` */
export function topKLogits(logits: Tensor, k: number): Tensor {
  return filters.topK.apply(logits, k, unseen);
}

/**
 * Keeps the smallest set of most likely tokens whose probabilities sum to more than p, including the token that
 * crosses p, and sets the rest to −∞ (nucleus sampling, arXiv 1904.09751). `[…, V]` → `[…, V]`
 */
export function topPLogits(logits: Tensor, p: number): Tensor {
  return filters.topP.apply(logits, p, unseen);
}

/**
 * Sets the logits of tokens with less than p times the largest probability to −∞ (arXiv 2407.01082, section 3). In
 * logits: those less than the largest + ln p. `[…, V]` → `[…, V]`
 */
export function minPLogits(logits: Tensor, p: number): Tensor {
  return filters.minP.apply(logits, p, unseen);
}

/**
 * Applies the filters in the order of their table: `nCodes`, the repetition penalty, temperature, top-k, top-p and min-p.
 * `[…, V]` → `[…, V]`, in at least float32.
 *
 * @param seen ids that `repetitionPenalty` acts on, bool `[…, V]`; null: it does nothing
 *
 * @example
 * ```ts
 * const logits = torch.tensor([[0, 1, 2, 3]]);
 * const kept = filterLogits(logits, { temperature: 0.5, topK: 2 }); // [[-Infinity, -Infinity, 4, 6]]
 * ```
 */
export function filterLogits(
  logits: Tensor,
  options: FilterOptions = {},
  seen: Tensor | null = null,
): Tensor {
  return torch.scope(() => {
    const whole = ['float64', 'float32'].includes(logits.dtype) ? logits : logits.float();
    const given = { torch, seen };
    return entries.reduce(
      (x, [name, { apply }]) => (options[name] && apply ? apply(x, options[name], given) : x),
      whole,
    );
  });
}

/** Returns the pick options with `nCodes` defaulting to the model's, so that only codes are drawn. */
export function codesOnly<P extends PickOptions>({ nCodes }: { nCodes: number }, pick: P): P {
  return { ...pick, nCodes: pick.nCodes === undefined ? nCodes : pick.nCodes };
}

/**
 * Returns the probabilities used for sampling. `[…, V]` → `[…, V]`
 * @throws RangeError naming an invalid option
 *
 * @example
 * ```ts
 * const logits = torch.tensor([[1, 1, 3, 3]]);
 * const probabilities = tokenProbabilities(logits, { topK: 2 }); // [[0, 0, 0.5, 0.5]]
 * ```
 */
export function tokenProbabilities(logits: Tensor, options: FilterOptions = {}): Tensor {
  checkFilterOptions(options);
  return torch.scope(() => filterLogits(logits, options).softmax(-1));
}

/**
 * Picks one token per row of logits: `[…, V]` → `[…, 1]` int64.
 * @throws RangeError naming an invalid option
 * @throws LogitsError on the CPU if a row is NaN or infinite; GPUs are not checked, to avoid a synchronization
 *
 * @example
 * ```ts
 * const logits = torch.randn([4, 1024]);
 * const token = pickToken(logits, { temperature: 0.9, topK: 100, topP: 0.95 }); // [4, 1]
 * ```
 */
export function pickToken(logits: Tensor, options: PickOptions = {}): Tensor {
  checkFilterOptions(options);
  return torch.scope(() => {
    const { token, peak } = drawToken(logits, options);
    if (logits.device === 'cpu') checkPeaks(peak.reshape([-1, 1]), 'pickToken');
    return token;
  });
}

/** A token and the largest of the logits it was drawn from; this peak is not finite if the logits are invalid. */
export interface Drawn {
  /** Drawn token, `[…, 1]` int64. */
  token: Tensor;
  /** Largest logit, `[…, 1]`, float32 or float64. */
  peak: Tensor;
}

/**
 * Draws like `pickToken`, and also returns the peak for a later `checkPeaks`.
 *
 * @param given exponential noise to draw with instead of the generator's, in the shape of the logits
 * @param seen ids that `repetitionPenalty` acts on, bool in the shape of the logits; null: none
 */
export function drawToken(
  logits: Tensor,
  { greedy = false, generator, ...options }: PickOptions = {},
  given: Tensor | null = null,
  seen: Tensor | null = null,
): Drawn {
  return torch.scope(() => {
    const kept = filterLogits(logits, greedy ? greedily(options) : options, seen);
    const peak = kept.amax([-1], true);
    if (greedy) return { token: kept.argmax(-1, true), peak };
    const probabilities = kept.softmax(-1);
    // Gives the same draws as torch.multinomial, but without its value check, which synchronizes with the device.
    const noise =
      given?.to(probabilities.dtype) ??
      probabilities.emptyLike().exponential_(1, { generator: generator ?? null });
    return { token: probabilities.div(noise).argmax(-1, true), peak };
  });
}

/** Returns the filters that change which token is the most likely one. */
function greedily(options: FilterOptions): FilterOptions {
  return Object.fromEntries(
    entries.flatMap(([name, { whenGreedy }]) => (whenGreedy ? [[name, options[name] ?? null]] : [])),
  );
}
