/** Filters logits and draws the next token. No function here reads values back from a GPU. */
import * as torch from '../torch/index.js';
import type { Generator, Tensor } from '../torch/index.js';
import { checkPeaks } from './logits-error.js';
import { repetitionLogits } from './repetition.js';

interface Filter {
  fits(value: number): boolean;
  /** Error text: the valid values, and what to do instead. */
  must: string;
  instead?: string;
  /** @param seen ids drawn before, where the sampler keeps them: bool `[…, V]`. Absent for an option of another filter. */
  apply?(logits: Tensor, value: number, seen: Tensor | null): Tensor;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;

/** Filters in the order of application. To add one, add a function and an entry here; all samplers accept it. */
const filters = {
  /**
   * Keep only ids below this number: the codes of a first stage, if the vocabulary also holds others, such as classes.
   * Default: all; `generate` and `TokenSampler` use the model's `nCodes`. Applied first.
   */
  nCodes: { fits: isCount, must: 'be a positive integer, or null for all ids', apply: codeLogits },
  /**
   * Make ids less likely that are among the image's tokens so far: divide their positive logits by this value and multiply
   * negative ones (CTRL, arXiv 1909.05858, section 4.1). Default 1 (off); below 1, they become more likely. Applied before
   * `temperature`, and also if `greedy`. Only where tokens are drawn one after another; in windows, the window's tokens
   * count.
   */
  repetitionPenalty: {
    fits: (value) => value > 0 && Number.isFinite(value),
    must: 'be a positive number',
    apply: (logits, value, seen) => (seen ? repetitionLogits(logits, seen, value) : logits),
  },
  /** Number of the image's last tokens that `repetitionPenalty` looks at. Default: all. */
  repetitionWindow: { fits: isCount, must: 'be a positive integer, or null for all tokens' },
  /** Divide the logits by this value before `topK` and `topP`. Default 1. */
  temperature: {
    fits: (value) => value > 0 && Number.isFinite(value),
    must: 'be a positive number',
    instead: '; to take the most likely tokens, pass greedy: true.',
    apply: (logits, value) => (value === 1 ? logits : logits.div(value)),
  },
  /** Keep the k most likely tokens, including ties with the k-th. Default: all. */
  topK: { fits: isCount, must: 'be a positive integer, or null for no limit', apply: topKLogits },
  /** Keep the most likely tokens until their total probability exceeds p. Default 1 (all). Applied after `topK`. */
  topP: { fits: (value) => value > 0 && value <= 1, must: 'be a number in (0, 1]', apply: topPLogits },
  /**
   * Keep the tokens whose probability is at least this share of the largest (arXiv 2407.01082). Default 0 (all). Applied
   * after `topP`.
   */
  minP: { fits: (value) => value >= 0 && value <= 1, must: 'be a number in [0, 1]', apply: minPLogits },
} satisfies Record<string, Filter>;

/** Options that restrict the tokens and change their probabilities; null or undefined disables a filter. */
export type FilterOptions = { [Name in keyof typeof filters]?: number | null };

const entries = Object.entries(filters) as [keyof FilterOptions, Filter][];

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

/** Sets the logits of ids from `count` on to −∞, so that only codes are drawn. `[…, V]` → `[…, V]` */
export function codeLogits(logits: Tensor, count: number): Tensor {
  const others = logits.shape.at(-1)! - count;
  if (others <= 0) return logits;
  return torch.scope(() =>
    torch.cat([logits.narrow(-1, 0, count), logits.narrow(-1, count, others).fullLike(-Infinity)], -1),
  );
}

/** Sets all logits below the k-th largest to −∞; ties with the k-th are kept. `[…, V]` → `[…, V]` */
export function topKLogits(logits: Tensor, k: number): Tensor {
  const vocabulary = logits.shape.at(-1)!;
  if (k >= vocabulary) return logits;
  return torch.scope(() => {
    const [largest] = logits.topk(k);
    return logits.maskedFill(logits.lt(largest.narrow(-1, k - 1, 1)), -Infinity);
  });
}

/**
 * Keeps the smallest set of most likely tokens whose probabilities sum to more than p, including the token that
 * crosses p, and sets the rest to −∞ (nucleus sampling, arXiv 1904.09751). `[…, V]` → `[…, V]`
 */
export function topPLogits(logits: Tensor, p: number): Tensor {
  if (p >= 1) return logits;
  return torch.scope(() => {
    const [sorted, order] = logits.sort({ stable: true, dim: -1, descending: true });
    const reached = sorted.softmax(-1).cumsum(-1).gt(p);
    // A token is removed if the tokens before it already exceed p; the first one is always kept.
    const before = reached.narrow(-1, 0, logits.shape.at(-1)! - 1);
    const drop = torch.cat([reached.narrow(-1, 0, 1).zerosLike(), before], -1);
    return logits.maskedFill(drop.zerosLike().scatter(-1, order, drop), -Infinity);
  });
}

/**
 * Sets the logits of tokens with less than p times the largest probability to −∞ (arXiv 2407.01082, section 3). In
 * logits: those less than the largest + ln p. `[…, V]` → `[…, V]`
 */
export function minPLogits(logits: Tensor, p: number): Tensor {
  return torch.scope(() => logits.maskedFill(logits.lt(logits.amax([-1], true).add(Math.log(p))), -Infinity));
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
    return entries.reduce(
      (x, [name, { apply }]) => (options[name] && apply ? apply(x, options[name], seen) : x),
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
  { greedy = false, generator, ...filters }: PickOptions = {},
  given: Tensor | null = null,
  seen: Tensor | null = null,
): Drawn {
  return torch.scope(() => {
    const kept = filterLogits(logits, greedy ? greedily(filters) : filters, seen);
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
function greedily({ nCodes = null, repetitionPenalty = null }: FilterOptions): FilterOptions {
  return { nCodes, repetitionPenalty };
}
