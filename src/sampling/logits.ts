/** From logits to the next token. Nothing here reads a value back from a GPU. */
import * as torch from '../torch/index.js';
import type { Generator, Tensor } from '../torch/index.js';
import { checkPeaks } from './logits-error.js';

interface Filter {
  fits(value: number): boolean;
  /** What a value must be, and what to do instead where it is not. */
  must: string;
  instead?: string;
  apply(logits: Tensor, value: number): Tensor;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;

/** In the order in which they act. A new one is a function and an entry here; every way of sampling takes it. */
const filters = {
  /**
   * Keep the ids below it only: the codes of a first stage, where a vocabulary holds more, such as classes. Default: all;
   * `generate` and `TokenSampler` take the model's `nCodes`. Applied first.
   */
  nCodes: { fits: isCount, must: 'be a positive integer, or null for all ids', apply: codeLogits },
  /** Logits are divided by it first; default 1. */
  temperature: {
    fits: (value) => value > 0 && Number.isFinite(value),
    must: 'be positive',
    instead: '; for arg-max tokens pass greedy: true.',
    apply: (logits, value) => (value === 1 ? logits : logits.div(value)),
  },
  /** Keep the k most likely tokens; ties with the k-th stay. Default: all. */
  topK: { fits: isCount, must: 'be a positive integer, or null for no limit', apply: topKLogits },
  /** Keep the most likely tokens until their probabilities pass p; default 1 (all). Applied after `topK`. */
  topP: { fits: (value) => value > 0 && value <= 1, must: 'lie in (0, 1]', apply: topPLogits },
} satisfies Record<string, Filter>;

/** Which tokens may be drawn, and how likely; null or left out: as without. */
export type FilterOptions = { [Name in keyof typeof filters]?: number | null };

const entries = Object.entries(filters) as [keyof FilterOptions, Filter][];

export interface PickOptions extends FilterOptions {
  /** Take the most likely token instead of drawing one; default false. */
  greedy?: boolean;
  /** Source of the draws; default: the device's own generator. */
  generator?: Generator | null;
}

/** The filters among some settings, in the order in which they act. */
export function filtersAmong(settings: FilterOptions): FilterOptions {
  return Object.fromEntries(entries.flatMap(([name]) => (name in settings ? [[name, settings[name]]] : [])));
}

/** Throws a `RangeError` naming the first option that makes no sense. */
export function checkFilterOptions(options: FilterOptions): void {
  for (const [name, { fits, must, instead = '.' }] of entries) {
    const value = options[name] ?? null;
    if (value !== null && !fits(value)) throw new RangeError(`${name} must ${must}, got ${value}${instead}`);
  }
}

/** Sets the logits of ids from `count` on to −∞: what is not a code is never drawn. `[…, V]` → `[…, V]` */
export function codeLogits(logits: Tensor, count: number): Tensor {
  const others = logits.shape.at(-1)! - count;
  if (others <= 0) return logits;
  return torch.scope(() =>
    torch.cat([logits.narrow(-1, 0, count), logits.narrow(-1, count, others).fullLike(-Infinity)], -1),
  );
}

/** Sets everything below the k-th largest logit to −∞, so ties with the k-th survive. `[…, V]` → `[…, V]` */
export function topKLogits(logits: Tensor, k: number): Tensor {
  const vocabulary = logits.shape.at(-1)!;
  if (k >= vocabulary) return logits;
  return torch.scope(() => {
    const [largest] = logits.topk(k);
    return logits.maskedFill(logits.lt(largest.narrow(-1, k - 1, 1)), -Infinity);
  });
}

/**
 * Keeps the smallest set of most likely tokens whose probabilities sum to more than p, the token that passes p
 * included; the rest becomes −∞ (nucleus sampling, arXiv 1904.09751). `[…, V]` → `[…, V]`
 */
export function topPLogits(logits: Tensor, p: number): Tensor {
  if (p >= 1) return logits;
  return torch.scope(() => {
    const [sorted, order] = logits.sort({ stable: true, dim: -1, descending: true });
    const reached = sorted.softmax(-1).cumsum(-1).gt(p);
    // A token goes when the tokens before it already pass p; the first one always stays.
    const before = reached.narrow(-1, 0, logits.shape.at(-1)! - 1);
    const drop = torch.cat([reached.narrow(-1, 0, 1).zerosLike(), before], -1);
    return logits.maskedFill(drop.zerosLike().scatter(-1, order, drop), -Infinity);
  });
}

/** Codes alone, then temperature, top-k and top-p. `[…, V]` → `[…, V]`; never below float32. */
export function filterLogits(logits: Tensor, options: FilterOptions = {}): Tensor {
  return torch.scope(() => {
    const whole = logits.dtype === 'float64' ? logits : logits.float();
    return entries.reduce((x, [name, { apply }]) => (options[name] ? apply(x, options[name]) : x), whole);
  });
}

/** How to pick from a model's logits: unless told otherwise, ids that are codes. */
export function codesOnly<P extends PickOptions>({ nCodes }: { nCodes: number }, pick: P): P {
  return { ...pick, nCodes: pick.nCodes === undefined ? nCodes : pick.nCodes };
}

/**
 * The probabilities sampling draws from. `[…, V]` → `[…, V]`
 * @throws RangeError naming an option that makes no sense
 */
export function tokenProbabilities(logits: Tensor, options: FilterOptions = {}): Tensor {
  checkFilterOptions(options);
  return torch.scope(() => filterLogits(logits, options).softmax(-1));
}

/**
 * One token per row of logits: `[…, V]` → `[…, 1]` int64.
 * @throws RangeError naming an option that makes no sense
 * @throws LogitsError on the CPU, where a row is NaN or infinite; on a GPU that would mean waiting for it
 */
export function pickToken(logits: Tensor, options: PickOptions = {}): Tensor {
  checkFilterOptions(options);
  return torch.scope(() => {
    const { token, peak } = drawToken(logits, options);
    if (logits.device === 'cpu') checkPeaks(peak.reshape([-1, 1]), 'pickToken');
    return token;
  });
}

/** The token, and the largest of the logits it was drawn from, which is not finite where nothing can be drawn. */
export interface Drawn {
  /** `[…, 1]` int64. */
  token: Tensor;
  /** `[…, 1]`, float32 or float64. */
  peak: Tensor;
}

/** As `pickToken`, with what `checkPeaks` looks at later. */
export function drawToken(
  logits: Tensor,
  { greedy = false, generator, ...filters }: PickOptions = {},
): Drawn {
  return torch.scope(() => {
    const kept = filterLogits(logits, greedy ? { nCodes: filters.nCodes ?? null } : filters);
    const peak = kept.amax([-1], true);
    if (greedy) return { token: kept.argmax(-1, true), peak };
    const probabilities = kept.softmax(-1);
    // One draw without the value check of torch.multinomial, which waits for the device; the same draws otherwise.
    const noise = probabilities.emptyLike().exponential_(1, { generator: generator ?? null });
    return { token: probabilities.div(noise).argmax(-1, true), peak };
  });
}
