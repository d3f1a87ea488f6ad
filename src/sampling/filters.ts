/**
 * The filters of logits, with their flags. Nothing here loads libtorch, so that `sample --help` is quick: what a filter
 * needs of it besides the methods of tensors is handed in.
 */
import type * as torchModule from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** What a filter is given besides the logits. */
export interface FilterGiven {
  torch: typeof torchModule;
  /** Ids drawn before, where the sampler keeps them: bool `[…, V]`. */
  seen: Tensor | null;
}

export interface Filter {
  fits(value: number): boolean;
  /** Error text: the valid values, and what to do instead. */
  must: string;
  instead?: string;
  /** Returns the filtered logits `[…, V]`. Absent for an option of another filter. */
  apply?(logits: Tensor, value: number, given: FilterGiven): Tensor;
  /** True if it also applies to the choice of the most likely token, because it changes which one that is. */
  whenGreedy?: true;
  /** Flag of `sample`: its name, help, and what completes "It must be …". Absent without one, and where it has its own. */
  flag?: { name: string; help: string; wanted: string };
}

const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;

/**
 * Filters in the order of application. To add one, add an entry here: all samplers accept it, and `sample` takes its flag.
 * Each runs in a scope of its own, so that its intermediate results are freed.
 */
export const filters = {
  /**
   * Keep only ids below this number: the codes of a first stage, if the vocabulary also holds others, such as classes.
   * Default: all; `generate` and `TokenSampler` use the model's `nCodes`. Applied first.
   */
  nCodes: {
    fits: isCount,
    must: 'be a positive integer, or null for all ids',
    whenGreedy: true,
    apply(logits, count, { torch }) {
      const others = logits.shape.at(-1)! - count;
      if (others <= 0) return logits;
      return torch.scope(() =>
        torch.cat([logits.narrow(-1, 0, count), logits.narrow(-1, count, others).fullLike(-Infinity)], -1),
      );
    },
  },
  /**
   * Make ids less likely that are among the image's tokens so far: divide their positive logits by this value and multiply
   * negative ones (CTRL, arXiv 1909.05858, section 4.1). Default 1 (off); below 1, they become more likely. Applied before
   * `temperature`, and also if `greedy`. Only where tokens are drawn one after another; in windows, the window's tokens
   * count.
   */
  repetitionPenalty: {
    fits: (value) => value > 0 && Number.isFinite(value),
    must: 'be a positive number',
    whenGreedy: true,
    apply(logits, penalty, { torch, seen }) {
      if (!seen) return logits;
      return torch.scope(() => {
        const changed = torch.where(logits.gt(0), logits.div(penalty), logits.mul(penalty));
        return torch.where(seen, changed, logits);
      });
    },
    flag: {
      name: '--repetition-penalty <x>',
      help: "above 1: the image's codes so far become less likely; default 1: off",
      wanted: 'a number above 0',
    },
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
  topK: {
    fits: isCount,
    must: 'be a positive integer, or null for no limit',
    apply(logits, k, { torch }) {
      if (k >= logits.shape.at(-1)!) return logits;
      return torch.scope(() => {
        const [largest] = logits.topk(k);
        return logits.maskedFill(logits.lt(largest.narrow(-1, k - 1, 1)), -Infinity);
      });
    },
    flag: {
      name: '--top-k <k>',
      help: 'sample only from the k most likely codes; default 100',
      wanted: 'a positive integer',
    },
  },
  /** Keep the most likely tokens until their total probability exceeds p. Default 1 (all). Applied after `topK`. */
  topP: {
    fits: (value) => value > 0 && value <= 1,
    must: 'be a number in (0, 1]',
    apply(logits, p, { torch }) {
      if (p >= 1) return logits;
      return torch.scope(() => {
        const [sorted, order] = logits.sort({ stable: true, dim: -1, descending: true });
        const reached = sorted.softmax(-1).cumsum(-1).gt(p);
        // A token is removed if the tokens before it already exceed p; the first one is always kept.
        const before = reached.narrow(-1, 0, logits.shape.at(-1)! - 1);
        const drop = torch.cat([reached.narrow(-1, 0, 1).zerosLike(), before], -1);
        return logits.maskedFill(drop.zerosLike().scatter(-1, order, drop), -Infinity);
      });
    },
    flag: {
      name: '--top-p <p>',
      help: 'sample only from the most likely codes with this total probability; default 1: all',
      wanted: 'a number above 0 and at most 1',
    },
  },
  /**
   * Keep the tokens whose probability is at least this share of the largest (arXiv 2407.01082). Default 0 (all). Applied
   * after `topP`.
   */
  minP: {
    fits: (value) => value >= 0 && value <= 1,
    must: 'be a number in [0, 1]',
    apply: (logits, p, { torch }) =>
      torch.scope(() => logits.maskedFill(logits.lt(logits.amax([-1], true).add(Math.log(p))), -Infinity)),
    flag: {
      name: '--min-p <p>',
      help: 'sample only from codes at least this share as likely as the likeliest; default 0: all',
      wanted: 'a number from 0 to 1',
    },
  },
} satisfies Record<string, Filter>;

/** Options that restrict the tokens and change their probabilities; null or undefined disables a filter. */
export type FilterOptions = { [Name in keyof typeof filters]?: number | null };

/** The filters in the order of application. */
export const filterEntries = Object.entries(filters) as [keyof FilterOptions, Filter][];

/** Returns the filters that have a flag in the order of the help: first those from the temperature on, which most use. */
export function flaggedFilters(): (Filter & Required<Pick<Filter, 'flag'>>)[] {
  const from = filterEntries.findIndex(([name]) => name === 'temperature');
  const ordered = [...filterEntries.slice(from), ...filterEntries.slice(0, from)];
  return ordered.flatMap(([, filter]) => (filter.flag ? [{ ...filter, flag: filter.flag }] : []));
}
