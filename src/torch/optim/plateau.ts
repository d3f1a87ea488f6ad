import { InThread } from '../core/in-thread.js';
import { ArgumentError } from '../core/errors.js';
import { groupsOf, inSnakeCase, loadFields, saveFields } from './scheduler.js';
import type { Schedulable, SchedulerState } from './scheduler.js';

export interface PlateauOptions {
  /** The direction of improvement: smaller (`min`) or larger (`max`). Default `min`. */
  mode?: 'min' | 'max';
  /** Factor of a reduction, below 1. Default 0.1. */
  factor?: number;
  /** Number of steps without improvement that are tolerated. Default 10. */
  patience?: number;
  /** Improvements smaller than this are ignored. Default 1e-4. */
  threshold?: number;
  /** Meaning of the threshold: a share of the best value (`rel`) or a difference (`abs`). Default `rel`. */
  thresholdMode?: 'rel' | 'abs';
  /** Steps after a reduction that are not counted. Default 0. */
  cooldown?: number;
  /** Lowest learning rate, for all groups or for each. Default 0. */
  minLr?: number | readonly number[];
  /** Reductions smaller than this are skipped. Default 1e-8. */
  eps?: number;
}

/**
 * Reduces the learning rate when a metric has stopped improving.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler = new optim.ReduceLROnPlateau(optimizer, { patience: 1 });
 * for (const loss of [0.5, 0.5, 0.5]) scheduler.step(loss); // the third time, lr becomes 0.01
 * ```
 */
export class ReduceLROnPlateau extends InThread {
  /** The optimizer whose learning rates are reduced. */
  readonly optimizer: Schedulable;
  mode: 'min' | 'max';
  factor: number;
  patience: number;
  threshold: number;
  thresholdMode: 'rel' | 'abs';
  cooldown: number;
  eps: number;
  /** Lowest learning rate of each group. */
  minLrs: number[];
  /** The lowest learning rate if it is the same for all groups; otherwise null. */
  defaultMinLr: number | null;
  /** Steps taken. */
  lastEpoch = 0;
  /** The groups' learning rates after the last step. */
  lastLr: number[];
  /** The best metric so far. */
  best: number;
  /** A value that every metric is better than: infinity, or minus infinity for `max`. */
  modeWorse: number;
  /** Remaining steps that are not counted. */
  cooldownCounter = 0;
  /** Steps in a row without improvement. */
  numBadEpochs = 0;

  constructor(optimizer: Schedulable, options: PlateauOptions = {}) {
    super('a schedule', 'send or write its stateDict()');
    const { mode = 'min', factor = 0.1, thresholdMode = 'rel', minLr = 0 } = options;
    if (!(factor < 1))
      throw new ArgumentError(`ReduceLROnPlateau: the factor must be below 1, not ${factor}`);
    if (!['min', 'max'].includes(mode))
      throw new ArgumentError(`ReduceLROnPlateau: mode must be min or max, not '${mode}'`);
    if (!['rel', 'abs'].includes(thresholdMode))
      throw new ArgumentError(`ReduceLROnPlateau: thresholdMode must be rel or abs, not '${thresholdMode}'`);
    const groups = groupsOf(optimizer);
    if (typeof minLr !== 'number' && minLr.length !== groups.length)
      throw new ArgumentError(
        `ReduceLROnPlateau: ${minLr.length} values of minLr for ${groups.length} groups`,
      );
    this.optimizer = optimizer;
    this.mode = mode;
    this.factor = factor;
    this.patience = options.patience ?? 10;
    this.threshold = options.threshold ?? 1e-4;
    this.thresholdMode = thresholdMode;
    this.cooldown = options.cooldown ?? 0;
    this.eps = options.eps ?? 1e-8;
    this.defaultMinLr = typeof minLr === 'number' ? minLr : null;
    this.minLrs = typeof minLr === 'number' ? groups.map(() => minLr) : [...minLr];
    this.lastLr = groups.map((group) => group.lr);
    this.modeWorse = mode === 'min' ? Infinity : -Infinity;
    this.best = this.modeWorse;
  }

  /** @param measure the newest metric, such as a validation loss */
  step(measure: number): void {
    this.lastEpoch++;
    if (this.#improved(measure)) {
      this.best = measure;
      this.numBadEpochs = 0;
    } else {
      this.numBadEpochs++;
    }
    if (this.cooldownCounter > 0) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      this.#reduce();
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.lastLr = groupsOf(this.optimizer).map((group) => group.lr);
  }

  #improved(measure: number): boolean {
    const { best, threshold } = this;
    const relative = this.thresholdMode === 'rel';
    if (this.mode === 'min') return measure < (relative ? best * (1 - threshold) : best - threshold);
    return measure > (relative ? best * (1 + threshold) : best + threshold);
  }

  #reduce(): void {
    groupsOf(this.optimizer).forEach((group, i) => {
      const lowest = this.minLrs[i] ?? this.defaultMinLr ?? 0;
      const reduced = Math.max(group.lr * this.factor, lowest);
      if (group.lr - reduced > this.eps) group.lr = reduced;
    });
  }

  /** Returns the state under PyTorch's names. */
  stateDict(): SchedulerState {
    return saveFields(this, fields);
  }

  /** Loads a saved state. @throws ArgumentError if it belongs to a different schedule */
  loadStateDict(state: SchedulerState): void {
    loadFields(this, fields, { default_min_lr: null, ...state });
  }
}

const fields = {
  ...inSnakeCase('factor', 'defaultMinLr', 'minLrs', 'patience', 'cooldown', 'eps', 'lastEpoch'),
  _last_lr: 'lastLr',
  ...inSnakeCase(
    'modeWorse',
    'mode',
    'threshold',
    'thresholdMode',
    'best',
    'cooldownCounter',
    'numBadEpochs',
  ),
};
