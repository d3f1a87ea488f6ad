import { ArgumentError } from '../core/errors.js';
import { inSnakeCase, LRScheduler } from './scheduler.js';
import type { Schedulable, SchedulerState } from './scheduler.js';

/**
 * Multiplies the learning rate by gamma every `stepSize` steps.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.StepLR(optimizer, 30, { gamma: 0.5 }); // 0.1; from step 30 on 0.05
 * ```
 */
export class StepLR extends LRScheduler {
  /** Steps between two reductions. */
  stepSize: number;
  /** Factor of the learning rate. */
  gamma: number;

  constructor(optimizer: Schedulable, stepSize: number, { gamma = 0.1, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    this.stepSize = stepSize;
    this.gamma = gamma;
    this.start();
  }

  protected override readonly fields = { step_size: 'stepSize', gamma: 'gamma' };

  protected override rates(): number[] {
    if (this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0) return this.currentRates;
    return this.currentRates.map((lr) => lr * this.gamma);
  }

  protected override ratesFromStart(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** Math.floor(this.lastEpoch / this.stepSize));
  }
}

/**
 * Multiplies the learning rate by gamma at each milestone; one listed twice counts twice.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.MultiStepLR(optimizer, [30, 80]); // divides by 10 at steps 30 and 80
 * ```
 */
export class MultiStepLR extends LRScheduler {
  /** The number of times that each milestone is listed. */
  milestones: Map<number, number>;
  /** Factor of the learning rate at each milestone. */
  gamma: number;

  constructor(optimizer: Schedulable, milestones: Iterable<number>, { gamma = 0.1, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    this.milestones = new Map();
    for (const step of milestones) this.milestones.set(step, (this.milestones.get(step) ?? 0) + 1);
    this.gamma = gamma;
    this.start();
  }

  protected override readonly fields = { milestones: 'milestones', gamma: 'gamma' };

  protected override rates(): number[] {
    const times = this.milestones.get(this.lastEpoch) ?? 0;
    return this.currentRates.map((lr) => lr * this.gamma ** times);
  }

  protected override ratesFromStart(): number[] {
    let passed = 0;
    for (const [step, times] of this.milestones) if (step <= this.lastEpoch) passed += times;
    return this.baseLrs.map((lr) => lr * this.gamma ** passed);
  }

  override loadStateDict(state: SchedulerState): void {
    const { milestones } = state;
    // PyTorch's files contain an object with strings as keys.
    const entries = milestones instanceof Map ? [...milestones] : Object.entries(milestones ?? {});
    super.loadStateDict({
      ...state,
      milestones: new Map(entries.map(([step, times]) => [Number(step), Number(times)])),
    });
  }
}

/**
 * Multiplies the learning rate by gamma at every step.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.ExponentialLR(optimizer, 0.99); // 0.1, 0.099, …
 * ```
 */
export class ExponentialLR extends LRScheduler {
  /** Factor of the learning rate at every step. */
  gamma: number;

  constructor(optimizer: Schedulable, gamma: number, { lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    this.gamma = gamma;
    this.start();
  }

  protected override readonly fields = { gamma: 'gamma' };

  protected override rates(): number[] {
    return this.initial ? this.currentRates : this.currentRates.map((lr) => lr * this.gamma);
  }

  protected override ratesFromStart(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** this.lastEpoch);
  }
}

/**
 * Multiplies the learning rate by `factor` until `totalIters` steps are done.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.ConstantLR(optimizer, { factor: 0.5, totalIters: 4 }); // 0.05 for 4 steps, then 0.1
 * ```
 */
export class ConstantLR extends LRScheduler {
  /** Factor of the learning rate until `totalIters`. */
  factor: number;
  /** Steps after which the factor no longer applies. */
  totalIters: number;

  constructor(optimizer: Schedulable, { factor = 1 / 3, totalIters = 5, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    if (!(factor >= 0 && factor <= 1))
      throw new ArgumentError(`ConstantLR: the factor must be in [0, 1], not ${factor}`);
    this.factor = factor;
    this.totalIters = totalIters;
    this.start();
  }

  protected override readonly fields = { factor: 'factor', total_iters: 'totalIters' };

  protected override rates(): number[] {
    if (this.lastEpoch === 0) return this.currentRates.map((lr) => lr * this.factor);
    if (this.lastEpoch !== this.totalIters) return this.currentRates;
    return this.currentRates.map((lr) => lr * (1 / this.factor));
  }

  protected override ratesFromStart(): number[] {
    const over = this.lastEpoch >= this.totalIters ? 1 : 0;
    return this.baseLrs.map((lr) => lr * (this.factor + over * (1 - this.factor)));
  }
}

/**
 * Changes the learning rate linearly from `startFactor` to `endFactor` of its value in `totalIters` steps: a warm-up.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.LinearLR(optimizer, { startFactor: 0.1, totalIters: 1000 }); // from 0.01 to 0.1
 * ```
 */
export class LinearLR extends LRScheduler {
  /** Factor of the learning rate at the start. */
  startFactor: number;
  /** Factor of the learning rate at the end. */
  endFactor: number;
  /** Steps from `startFactor` to `endFactor`. */
  totalIters: number;

  constructor(
    optimizer: Schedulable,
    { startFactor = 1 / 3, endFactor = 1, totalIters = 5, lastEpoch = -1 } = {},
  ) {
    super(optimizer, lastEpoch);
    if (!(startFactor > 0 && startFactor <= 1))
      throw new ArgumentError(`LinearLR: startFactor must be in (0, 1], not ${startFactor}`);
    if (!(endFactor >= 0 && endFactor <= 1))
      throw new ArgumentError(`LinearLR: endFactor must be in [0, 1], not ${endFactor}`);
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
    this.start();
  }

  protected override readonly fields = inSnakeCase('startFactor', 'endFactor', 'totalIters');

  protected override rates(): number[] {
    const { lastEpoch, startFactor, totalIters } = this;
    if (lastEpoch === 0) return this.currentRates.map((lr) => lr * startFactor);
    if (this.initial || lastEpoch > totalIters) return this.currentRates;
    const rise = this.endFactor - startFactor;
    const factor = 1 + rise / (totalIters * startFactor + (lastEpoch - 1) * rise);
    return this.currentRates.map((lr) => lr * factor);
  }

  protected override ratesFromStart(): number[] {
    const { startFactor, endFactor, totalIters } = this;
    const done = Math.min(totalIters, this.lastEpoch);
    return this.baseLrs.map((lr) => lr * (startFactor + ((endFactor - startFactor) * done) / totalIters));
  }
}

/**
 * Decays the learning rate to 0 in `totalIters` steps, as (1 − step / totalIters) to the power of `power`.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.PolynomialLR(optimizer, { totalIters: 1000, power: 2 });
 * ```
 */
export class PolynomialLR extends LRScheduler {
  /** Steps until the learning rate is 0. */
  totalIters: number;
  /** Exponent of the share of remaining steps. */
  power: number;

  constructor(optimizer: Schedulable, { totalIters = 5, power = 1, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    this.totalIters = totalIters;
    this.power = power;
    this.start();
  }

  protected override readonly fields = { total_iters: 'totalIters', power: 'power' };

  protected override rates(): number[] {
    const { lastEpoch, totalIters, power } = this;
    if (this.initial || lastEpoch > totalIters) return this.currentRates;
    const decay = ((1 - lastEpoch / totalIters) / (1 - (lastEpoch - 1) / totalIters)) ** power;
    return this.currentRates.map((lr) => lr * decay);
  }

  protected override ratesFromStart(): number[] {
    const done = Math.min(this.totalIters, this.lastEpoch) / this.totalIters;
    return this.baseLrs.map((lr) => lr * (1 - done) ** this.power);
  }
}
