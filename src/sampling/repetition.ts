/** Control of repetition: tokens that were drawn before become less likely (CTRL, arXiv 1909.05858, section 4.1). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { filters } from './filters.js';

export interface RepetitionOptions {
  repetitionPenalty?: number | null;
  repetitionWindow?: number | null;
}

/**
 * Divides the positive logits of `seen` ids by `penalty` and multiplies the negative ones, so that above 1 all become less
 * likely. CTRL divides all, but its logits are positive. `[…, V]` → `[…, V]`
 *
 * @param seen bool `[…, V]`
 */
export function repetitionLogits(logits: Tensor, seen: Tensor, penalty: number): Tensor {
  return filters.repetitionPenalty.apply(logits, penalty, { torch, seen });
}

/** True if the options need the tokens drawn before. */
export function looksBack({ repetitionPenalty }: RepetitionOptions): boolean {
  return (repetitionPenalty ?? 1) !== 1;
}

/**
 * Throws if an option needs the tokens drawn before, in a sampler that does not draw one after another.
 * @throws RangeError saying what to do
 */
export function refuseLookingBack(caller: string, options: RepetitionOptions): void {
  if (!looksBack(options)) return;
  throw new RangeError(
    `${caller}: repetitionPenalty is ${options.repetitionPenalty}, but here tokens are not drawn one after another; ` +
      "leave it out, or sample the model's own grid with a model of pkeep > 0.",
  );
}

/**
 * Returns the ids among each row's tokens before number `at`: bool `[B, V]`. Shapes do not depend on values, and nothing is
 * read back from a GPU, so that the work can be recorded.
 *
 * @param tokens memory of all tokens, `[B, room]` int64
 * @param first number of the image's first token, int64 `[1]`
 * @param at number of the token to draw, int64 `[1]`, or one for each row, `[B, 1]`
 * @param window number of tokens before `at` that count; null: all of the image
 */
export function seenIds(
  tokens: Tensor,
  { first, at, window, vocabulary }: { first: Tensor; at: Tensor; window: number | null; vocabulary: number },
): Tensor {
  return torch.scope(() => {
    const [batch, room] = tokens.shape as [number, number];
    const { device } = tokens;
    const numbers = torch.arange(room, { dtype: 'int64', device });
    const from = window === null ? first : at.sub(window).maximum(first);
    const counted = numbers.lt(at).logicalAnd(numbers.ge(from)).long().expand([batch, room]);
    return torch.zeros([batch, vocabulary], { dtype: 'int64', device }).scatterAdd(1, tokens, counted).gt(0);
  });
}
