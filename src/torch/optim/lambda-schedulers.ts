import { ArgumentError } from '../core/errors.js';
import { LRScheduler } from './scheduler.js';
import type { Schedulable, SchedulerState } from './scheduler.js';

/** Returns a factor for the number of the step, from 0. */
export type Factor = (step: number) => number;

function factorsFor(optimizer: Schedulable, factor: Factor | readonly Factor[]): readonly Factor[] {
  const count = optimizer.paramGroups.length;
  if (typeof factor === 'function') return optimizer.paramGroups.map(() => factor);
  if (factor.length === count) return factor;
  throw new ArgumentError(
    `${factor.length} functions for ${count} parameter groups; pass one, or one for each`,
  );
}

abstract class FactorScheduler extends LRScheduler {
  protected readonly factors: readonly Factor[];

  /** @param factor for all groups, or one for each */
  constructor(optimizer: Schedulable, factor: Factor | readonly Factor[], { lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    this.factors = factorsFor(optimizer, factor);
    this.start();
  }

  protected override readonly fields = {};

  /** Functions are not saved: the scheduler that loads the state keeps its own. */
  override stateDict(): SchedulerState {
    return { ...super.stateDict(), lr_lambdas: this.factors.map(() => null) };
  }
}

/**
 * The initial learning rate times a function of the step.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.LambdaLR(optimizer, (step) => 1 / (1 + step)); // 0.1, 0.05, …
 * ```
 */
export class LambdaLR extends FactorScheduler {
  protected override rates(): number[] {
    return this.baseLrs.map((lr, i) => lr * (this.factors[i] as Factor)(this.lastEpoch));
  }
}

/**
 * The previous learning rate times a function of the step.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.MultiplicativeLR(optimizer, (step) => (step % 10 === 0 ? 0.5 : 1)); // halved every 10 steps
 * ```
 */
export class MultiplicativeLR extends FactorScheduler {
  protected override rates(): number[] {
    if (this.initial) return this.currentRates;
    return this.currentRates.map((lr, i) => lr * (this.factors[i] as Factor)(this.lastEpoch));
  }
}

export interface WarmUpCosineOptions {
  /** Number of steps of the linear warm-up from `start` to `max`. */
  warmUpSteps: number;
  /** Value from `maxDecaySteps` on. */
  min: number;
  /** Value at the end of the warm-up. */
  max: number;
  /** Value at step 0. */
  start: number;
  /** Step at which the half cosine reaches `min`. */
  maxDecaySteps: number;
}

/**
 * Returns a value for each step: a straight line up, then half a cosine down, then constant.
 * `LambdaWarmUpCosineScheduler` of taming-transformers, used there for the temperature of the Gumbel softmax; with base
 * learning rate 1 it is a factor for {@link LambdaLR}.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 1 });
 * const options = { warmUpSteps: 100, start: 0, max: 1e-3, min: 1e-5, maxDecaySteps: 10_000 };
 * const scheduler = new optim.LambdaLR(optimizer, optim.warmUpCosine(options));
 * ```
 */
export function warmUpCosine(options: WarmUpCosineOptions): Factor {
  const { warmUpSteps, min, max, start, maxDecaySteps } = options;
  if (!(warmUpSteps >= 0 && maxDecaySteps > warmUpSteps)) {
    throw new ArgumentError(
      `the decay must end after the warm-up of ${warmUpSteps} steps, not at step ${maxDecaySteps}`,
    );
  }
  return (step) => {
    if (step < warmUpSteps) return ((max - start) / warmUpSteps) * step + start;
    const t = Math.min((step - warmUpSteps) / (maxDecaySteps - warmUpSteps), 1);
    return min + 0.5 * (max - min) * (1 + Math.cos(t * Math.PI));
  };
}

export type { FactorScheduler };
