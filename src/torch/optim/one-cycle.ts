import { ArgumentError } from '../core/errors.js';
import { camelCase } from '../core/schema.js';
import { cyclesBeta1, perGroup, setMomentum } from './cycled-momentum.js';
import { groupsOf, LRScheduler } from './scheduler.js';
import type { SavedFields, Schedulable, ScheduledGroup } from './scheduler.js';

export interface OneCycleOptions {
  /** Steps of the whole cycle; alternatively pass `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** Share of the steps in which the learning rate rises. Default 0.3. */
  pctStart?: number;
  /** Default `cos`. */
  annealStrategy?: 'cos' | 'linear';
  /** Cycle momentum (or the first beta) inversely to the learning rate. Default true. */
  cycleMomentum?: boolean;
  /** Momentum at the peak, for all groups or for each. Default 0.85. */
  baseMomentum?: number | readonly number[];
  /** Momentum at both ends, for all groups or for each. Default 0.95. */
  maxMomentum?: number | readonly number[];
  /** Peak divided by the initial learning rate. Default 25. */
  divFactor?: number;
  /** Initial learning rate divided by the final one. Default 1e4. */
  finalDivFactor?: number;
  /**
   * Use three phases: descend to the initial learning rate as fast as it rose, then to the final one. Default false.
   */
  threePhase?: boolean;
  lastEpoch?: number;
}

/** A phase of the cycle; names of the groups' settings as PyTorch saves them. */
export interface Phase {
  end_step: number;
  start_lr: string;
  end_lr: string;
  start_momentum: string;
  end_momentum: string;
}

/**
 * Rises to a peak and anneals to almost zero (Smith and Topin, arXiv 1708.07120).
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { momentum: 0.9 });
 * const scheduler = new optim.OneCycleLR(optimizer, 0.1, { totalSteps: 1000 }); // from 0.004 to 0.1 to 4e-7
 * ```
 */
export class OneCycleLR extends LRScheduler {
  /** Number of steps of the cycle; further steps throw. */
  totalSteps: number;
  /** The phases of the cycle: their last step, and the start and end values of rates and momentum. */
  phases: Phase[];
  annealStrategy: 'cos' | 'linear';
  cycleMomentum: boolean;
  /** True if the momentum that is cycled is Adam's first beta. */
  useBeta1 = false;

  /** @param maxLr the peak, for all groups or for each */
  constructor(optimizer: Schedulable, maxLr: number | readonly number[], options: OneCycleOptions) {
    const { pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4, lastEpoch = -1 } = options;
    const totalSteps = stepsOf(options);
    if (!(pctStart >= 0 && pctStart <= 1))
      throw new ArgumentError(`OneCycleLR: pctStart must be in [0, 1], not ${pctStart}`);
    const groups = groupsOf(optimizer);
    const peaks = perGroup('OneCycleLR', groups, maxLr, 'maxLr');
    const cycleMomentum = options.cycleMomentum ?? true;
    const useBeta1 = cyclesBeta1('OneCycleLR', groups, cycleMomentum);
    if (lastEpoch === -1) {
      const highest = perGroup('OneCycleLR', groups, options.maxMomentum ?? 0.95, 'maxMomentum');
      const lowest = perGroup('OneCycleLR', groups, options.baseMomentum ?? 0.85, 'baseMomentum');
      groups.forEach((group, i) => {
        group.maxLr = peaks[i] as number;
        group.initialLr = group.maxLr / divFactor;
        group.minLr = group.initialLr / finalDivFactor;
        if (!cycleMomentum) return;
        group.maxMomentum = highest[i] as number;
        group.baseMomentum = lowest[i] as number;
        setMomentum(group, group.maxMomentum, useBeta1);
      });
    }
    super(optimizer, lastEpoch);
    this.totalSteps = totalSteps;
    this.phases = phasesOf(totalSteps, pctStart, options.threePhase === true);
    this.annealStrategy = options.annealStrategy ?? 'cos';
    this.cycleMomentum = cycleMomentum;
    this.useBeta1 = useBeta1;
    this.start();
  }

  protected override get fields(): SavedFields {
    return {
      total_steps: 'totalSteps',
      _schedule_phases: 'phases',
      _anneal_func_type: 'annealStrategy',
      cycle_momentum: 'cycleMomentum',
      ...(this.cycleMomentum && { use_beta1: 'useBeta1' }),
    };
  }

  protected override rates(): number[] {
    if (this.lastEpoch > this.totalSteps) {
      throw new ArgumentError(
        `OneCycleLR: step ${this.lastEpoch} is beyond the cycle of ${this.totalSteps} steps; the schedule has ended`,
      );
    }
    const index = this.phases.findIndex(({ end_step }) => this.lastEpoch <= end_step);
    const phase = (this.phases[index] ?? this.phases.at(-1)) as Phase;
    const begin = this.phases[this.phases.indexOf(phase) - 1]?.end_step ?? 0;
    const share = (this.lastEpoch - begin) / (phase.end_step - begin);
    return this.groups.map((group) => {
      if (this.cycleMomentum) {
        const ends = [setting(group, phase.start_momentum), setting(group, phase.end_momentum)] as const;
        setMomentum(group, this.#between(...ends, share), this.useBeta1);
      }
      return this.#between(setting(group, phase.start_lr), setting(group, phase.end_lr), share);
    });
  }

  #between(start: number, end: number, share: number): number {
    if (this.annealStrategy === 'linear') return (end - start) * share + start;
    return end + ((start - end) / 2) * (Math.cos(Math.PI * share) + 1);
  }
}

function stepsOf({ totalSteps, epochs, stepsPerEpoch }: OneCycleOptions): number {
  const steps = totalSteps ?? (epochs ?? NaN) * (stepsPerEpoch ?? NaN);
  if (Number.isInteger(steps) && steps > 0) return steps;
  throw new ArgumentError('OneCycleLR needs totalSteps, or epochs and stepsPerEpoch, as positive integers');
}

/** Returns a group's setting by the name under which PyTorch saves it. */
function setting(group: ScheduledGroup, name: string): number {
  return group[camelCase(name) as 'lr'];
}

function phase(end_step: number, lr: [string, string], momentum: [string, string]): Phase {
  const [start_lr, end_lr] = lr;
  const [start_momentum, end_momentum] = momentum;
  return { end_step, start_lr, end_lr, start_momentum, end_momentum };
}

function phasesOf(steps: number, share: number, three: boolean): Phase[] {
  const rise = phase(share * steps - 1, ['initial_lr', 'max_lr'], ['max_momentum', 'base_momentum']);
  if (!three) return [rise, phase(steps - 1, ['max_lr', 'min_lr'], ['base_momentum', 'max_momentum'])];
  return [
    rise,
    phase(2 * share * steps - 2, ['max_lr', 'initial_lr'], ['base_momentum', 'max_momentum']),
    phase(steps - 1, ['initial_lr', 'min_lr'], ['max_momentum', 'max_momentum']),
  ];
}
