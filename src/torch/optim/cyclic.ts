import { ArgumentError } from '../core/errors.js';
import { cyclesBeta1, perGroup, setMomentum } from './cycled-momentum.js';
import { groupsOf, inSnakeCase, LRScheduler } from './scheduler.js';
import type { SavedFields, Schedulable, SchedulerState } from './scheduler.js';

export interface CyclicOptions {
  /** Steps from the lowest rate to the highest. Default 2000. */
  stepSizeUp?: number;
  /** Steps back. Default: `stepSizeUp`. */
  stepSizeDown?: number | null;
  /**
   * `triangular`: all cycles are equal; `triangular2`: each has half the height; `exp_range`: decays by gamma at every
   * step.
   */
  mode?: 'triangular' | 'triangular2' | 'exp_range';
  /** Factor for `exp_range`. Default 1. */
  gamma?: number;
  /** Scale of a cycle, instead of `mode`: a function of its number, from 1, or of the step. */
  scaleFn?: (count: number) => number;
  /** The argument of `scaleFn`: the number of the cycle, or of the step. Default `cycle`. */
  scaleMode?: 'cycle' | 'iterations';
  /** Cycle the momentum (or Adam's first beta) inversely. Default true. */
  cycleMomentum?: boolean;
  /** Momentum at the highest rate, for all groups or for each. Default 0.8. */
  baseMomentum?: number | readonly number[];
  /** Momentum at the lowest rate, for all groups or for each. Default 0.9. */
  maxMomentum?: number | readonly number[];
  /** Number of the last step of a resumed run. Default −1: a new run. */
  lastEpoch?: number;
}

/**
 * Cycles between two learning rates (Smith, arXiv 1506.01186). Step it after every batch.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { momentum: 0.9 });
 * const scheduler = new optim.CyclicLR(optimizer, 1e-3, 1e-2, { stepSizeUp: 500 });
 * ```
 */
export class CyclicLR extends LRScheduler {
  /** The highest rate of each group. */
  maxLrs: number[];
  /** Steps of a cycle. */
  totalSize: number;
  /** Share of a cycle in which the rate rises. */
  stepRatio: number;
  mode: 'triangular' | 'triangular2' | 'exp_range';
  gamma: number;
  scaleMode: 'cycle' | 'iterations';
  cycleMomentum: boolean;
  /** True if the momentum that is cycled is Adam's first beta. */
  useBeta1 = false;
  /** Momentum of each group at the highest rate. */
  baseMomentums: number[] = [];
  /** Momentum of each group at the lowest rate. */
  maxMomentums: number[] = [];
  readonly #scale: ((count: number) => number) | null;

  /**
   * @param baseLr the lowest rate, for all groups or for each
   * @param maxLr the highest rate, for all groups or for each
   */
  constructor(
    optimizer: Schedulable,
    baseLr: number | readonly number[],
    maxLr: number | readonly number[],
    options: CyclicOptions = {},
  ) {
    const { stepSizeUp = 2000, mode = 'triangular', gamma = 1, lastEpoch = -1 } = options;
    const stepSizeDown = options.stepSizeDown ?? stepSizeUp;
    if (!(stepSizeUp > 0 && stepSizeDown > 0))
      throw new ArgumentError(
        `CyclicLR: stepSizeUp and stepSizeDown must be positive, not ${stepSizeUp} and ${stepSizeDown}`,
      );
    if (!['triangular', 'triangular2', 'exp_range'].includes(mode))
      throw new ArgumentError(`CyclicLR: mode must be triangular, triangular2 or exp_range, not '${mode}'`);
    const groups = groupsOf(optimizer);
    const lowest = perGroup('CyclicLR', groups, baseLr, 'baseLr');
    const highest = perGroup('CyclicLR', groups, maxLr, 'maxLr');
    const cycleMomentum = options.cycleMomentum ?? true;
    const useBeta1 = cyclesBeta1('CyclicLR', groups, cycleMomentum);
    const base = cycleMomentum
      ? perGroup('CyclicLR', groups, options.baseMomentum ?? 0.8, 'baseMomentum')
      : [];
    const most = cycleMomentum ? perGroup('CyclicLR', groups, options.maxMomentum ?? 0.9, 'maxMomentum') : [];
    if (lastEpoch === -1) {
      groups.forEach((group, i) => {
        group.lr = lowest[i]!;
        if (cycleMomentum) Object.assign(group, { maxMomentum: most[i]!, baseMomentum: base[i]! });
      });
    }
    super(optimizer, lastEpoch);
    this.maxLrs = highest;
    this.totalSize = stepSizeUp + stepSizeDown;
    this.stepRatio = stepSizeUp / this.totalSize;
    this.mode = mode;
    this.gamma = gamma;
    this.#scale = options.scaleFn ?? null;
    this.scaleMode = this.#scale
      ? (options.scaleMode ?? 'cycle')
      : mode === 'exp_range'
        ? 'iterations'
        : 'cycle';
    this.cycleMomentum = cycleMomentum;
    this.useBeta1 = useBeta1;
    this.baseMomentums = base;
    this.maxMomentums = most;
    this.start();
    this.baseLrs = lowest;
  }

  protected override get fields(): SavedFields {
    const cycled = this.cycleMomentum ? ['useBeta1', 'baseMomentums', 'maxMomentums'] : [];
    const rates = ['maxLrs', 'totalSize', 'stepRatio', 'mode', 'gamma', 'scaleMode'];
    return inSnakeCase(...rates, 'cycleMomentum', ...cycled);
  }

  /** Returns the state under PyTorch's names; a `scaleFn` is not part of it. */
  override stateDict(): SchedulerState {
    return { ...super.stateDict(), _scale_fn_custom: null };
  }

  protected override rates(): number[] {
    const turns = this.lastEpoch / this.totalSize;
    const cycle = Math.floor(1 + turns);
    const place = 1 + turns - cycle;
    const height = place <= this.stepRatio ? place / this.stepRatio : (place - 1) / (this.stepRatio - 1);
    const share = height * this.#height(this.scaleMode === 'cycle' ? cycle : this.lastEpoch);
    if (this.cycleMomentum) {
      this.groups.forEach((group, i) => {
        const most = this.maxMomentums[i]!;
        setMomentum(group, most - (most - this.baseMomentums[i]!) * share, this.useBeta1);
      });
    }
    return this.baseLrs.map((lowest, i) => lowest + (this.maxLrs[i]! - lowest) * share);
  }

  #height(count: number): number {
    if (this.#scale) return this.#scale(count);
    if (this.mode === 'triangular') return 1;
    return this.mode === 'triangular2' ? 1 / 2 ** (count - 1) : this.gamma ** count;
  }
}
