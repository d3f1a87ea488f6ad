import { ArgumentError } from '../core/errors.js';
import { LRScheduler } from './scheduler.js';
import type { Schedulable } from './scheduler.js';

/**
 * Anneals from the initial learning rate to `etaMin` along half a cosine in `tMax` steps, and back (Loshchilov and
 * Hutter, arXiv 1608.03983).
 *
 * @example
 * ```ts
 * const optimizer = new optim.AdamW(new nn.Linear(8, 2).parameters(), { lr: 1e-3 });
 * const scheduler = new optim.CosineAnnealingLR(optimizer, 10_000, { etaMin: 1e-5 });
 * ```
 */
export class CosineAnnealingLR extends LRScheduler {
  /** Steps from the highest to the lowest rate. */
  tMax: number;
  /** The lowest rate. */
  etaMin: number;

  constructor(optimizer: Schedulable, tMax: number, { etaMin = 0, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    if (!(tMax > 0)) throw new ArgumentError(`CosineAnnealingLR: tMax must be above 0, not ${tMax}`);
    this.tMax = tMax;
    this.etaMin = etaMin;
    this.start();
  }

  protected override readonly fields = { T_max: 'tMax', eta_min: 'etaMin' };

  protected override rates(): number[] {
    const { lastEpoch, tMax, etaMin, baseLrs } = this;
    if (this.initial) return this.currentRates;
    if (this.stepCount === 1 && lastEpoch > 0) return this.ratesFromStart();
    // At the minimum the ratio below would divide by zero.
    if ((lastEpoch - 1 - tMax) % (2 * tMax) === 0) {
      const rise = (1 - Math.cos(Math.PI / tMax)) / 2;
      return this.currentRates.map((lr, i) => lr + ((baseLrs[i] as number) - etaMin) * rise);
    }
    const height = (step: number): number => 1 + Math.cos((Math.PI * step) / tMax);
    const ratio = height(lastEpoch) / height(lastEpoch - 1);
    return this.currentRates.map((lr) => ratio * (lr - etaMin) + etaMin);
  }

  protected override ratesFromStart(): number[] {
    const height = (1 + Math.cos((Math.PI * this.lastEpoch) / this.tMax)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * height);
  }
}

/**
 * Anneals from the initial learning rate to `etaMin` along half cosines with restarts, the first t0 steps long, each
 * `tMult` times as long as the previous one.
 *
 * @example
 * ```ts
 * const optimizer = new optim.AdamW(new nn.Linear(8, 2).parameters(), { lr: 1e-3 });
 * const scheduler = new optim.CosineAnnealingWarmRestarts(optimizer, 100, { tMult: 2 }); // restarts at 100, 300, …
 * ```
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  /** Steps of the first descent. */
  t0: number;
  /** Steps of the current descent. */
  tI: number;
  /** Factor of the length of each descent to that of the previous one. */
  tMult: number;
  /** The lowest rate. */
  etaMin: number;
  /** Steps since the last restart. */
  tCur: number;

  constructor(optimizer: Schedulable, t0: number, { tMult = 1, etaMin = 0, lastEpoch = -1 } = {}) {
    super(optimizer, lastEpoch);
    if (!(Number.isInteger(t0) && t0 > 0))
      throw new ArgumentError(`CosineAnnealingWarmRestarts: t0 must be a positive integer, not ${t0}`);
    if (!(Number.isInteger(tMult) && tMult >= 1))
      throw new ArgumentError(
        `CosineAnnealingWarmRestarts: tMult must be an integer of at least 1, not ${tMult}`,
      );
    this.t0 = t0;
    this.tI = t0;
    this.tMult = tMult;
    this.etaMin = etaMin;
    this.tCur = lastEpoch;
    this.start();
  }

  protected override readonly fields = {
    T_0: 't0',
    T_i: 'tI',
    T_mult: 'tMult',
    eta_min: 'etaMin',
    T_cur: 'tCur',
  };

  protected override rates(): number[] {
    const height = (1 + Math.cos((Math.PI * this.tCur) / this.tI)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * height);
  }

  override step(): void {
    if (this.lastEpoch < 0) {
      this.tCur = 0;
      this.tI = this.t0;
    } else {
      this.tCur++;
      if (this.tCur >= this.tI) {
        this.tCur %= this.tI;
        this.tI *= this.tMult;
      }
    }
    this.lastEpoch++;
    this.setRates(this.rates());
  }
}
