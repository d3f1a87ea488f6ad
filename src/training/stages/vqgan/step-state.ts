/** What a VQGAN's training step draws once and shows its discriminator everywhere. */
import { drawDiffAugment, type DiffAugmentDraws } from '../../../models/losses/diff-augment.js';
import type { Tensor } from '../../../torch/index.js';
import { partsOf } from '../../engine/accumulate.js';
import type { AdversarialLoss } from './loss.js';
import type { VqganState } from './reference-step.js';

/** State of a step, or of a part of it. */
export interface StepState extends VqganState {
  /**
   * Random numbers of the augmentation, if there is one: the same in the generator's and the discriminator's update, for
   * an image and its reconstruction.
   */
  draws?: DiffAugmentDraws;
}

/** Returns the state with the random numbers for a batch [B, C, H, W], drawn from the default generator. */
export function withDraws(loss: AdversarialLoss, batch: Tensor, state: VqganState): StepState {
  const { diffAugment: policy } = loss.config;
  return policy ? { ...state, draws: drawDiffAugment(batch, policy) } : state;
}

/** Returns the state of each part of a batch: it has the part's condition and random numbers. */
export function statesOfParts(state: StepState): StepState[] {
  const { accumulate = 1, cond, draws } = state;
  const conditions = cond && partsOf(cond, accumulate);
  const drawn = Object.entries(draws ?? {}).map(
    ([name, numbers]) => [name, partsOf(numbers as Tensor, accumulate)] as const,
  );
  return Array.from({ length: accumulate }, (_, i) => ({
    ...state,
    ...(conditions && { cond: conditions[i]! }),
    ...(draws && { draws: Object.fromEntries(drawn.map(([name, parts]) => [name, parts[i]!])) }),
  }));
}
