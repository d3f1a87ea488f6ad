import { snakeCase } from '../core/schema.js';
import { InThread } from '../core/in-thread.js';
import { ArgumentError } from '../core/errors.js';

/** A parameter group as schedulers see it. */
export interface ScheduledGroup {
  lr: number;
  /** The learning rate that the schedule starts from; set by the first scheduler. */
  initialLr?: number;
  momentum?: number;
  betas?: readonly [number, number];
  maxLr?: number;
  minLr?: number;
  maxMomentum?: number;
  baseMomentum?: number;
}

/** The part of an optimizer that a scheduler needs. */
export interface Schedulable {
  readonly paramGroups: readonly { lr: number }[];
}

/** A scheduler's state under PyTorch's names. */
export type SchedulerState = Record<string, unknown>;

/** The states of composed schedulers. */
export interface Schedule {
  readonly optimizer: Schedulable;
  step(): void;
  readonly lastLr: readonly number[];
  stateDict(): SchedulerState;
  loadStateDict(state: SchedulerState): void;
}

export function groupsOf(optimizer: Schedulable): readonly ScheduledGroup[] {
  return optimizer.paramGroups;
}

/** Returns the fields by PyTorch's names. */
export type SavedFields = Readonly<Record<string, string>>;

/** Returns fields whose names in PyTorch are those in snake_case. */
export function inSnakeCase(...fields: readonly string[]): SavedFields {
  return Object.fromEntries(fields.map((field) => [snakeCase(field), field]));
}

export function saveFields(owner: object, fields: SavedFields): SchedulerState {
  const values = owner as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, structuredClone(values[field])]),
  );
}

export function loadFields(owner: object, fields: SavedFields, state: SchedulerState): void {
  const values = owner as Record<string, unknown>;
  for (const name of Object.keys(fields)) {
    if (state[name] === undefined) {
      throw new ArgumentError(
        `${owner.constructor.name}: the saved state has no '${name}'; does it belong to a different scheduler?`,
      );
    }
  }
  for (const [name, field] of Object.entries(fields)) values[field] = structuredClone(state[name]);
}

/**
 * Base class of learning-rate schedules. They set the groups' `lr` when they are created and at every `step()`, which
 * comes after the optimizer's; each step computes the rates from the previous ones, so that schedules can be chained.
 * Subclasses implement {@link rates} and call {@link start} at the end of their constructors.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const scheduler: optim.LRScheduler = new optim.StepLR(optimizer, 30, { gamma: 0.1 });
 * optimizer.step();
 * scheduler.step();
 * ```
 */
export abstract class LRScheduler extends InThread implements Schedule {
  /** The optimizer whose learning rates are set. */
  readonly optimizer: Schedulable;
  /** The groups' learning rates at the start. */
  baseLrs: number[];
  /** Steps taken; 0 after construction. */
  lastEpoch: number;
  /** The groups' learning rates after the last step. */
  lastLr: number[] = [];
  protected stepCount = 0;
  /** True during the step that the constructor takes. */
  protected initial = false;

  /**
   * @param lastEpoch number of the last step of a resumed run; its groups must have their `initialLr`. Default
   *   −1: a new run. To resume from a state dict, load it into a new scheduler.
   */
  constructor(optimizer: Schedulable, lastEpoch = -1) {
    super('a schedule', 'send or write its stateDict()');
    this.optimizer = optimizer;
    this.lastEpoch = lastEpoch;
    this.baseLrs = groupsOf(optimizer).map((group, i) => {
      if (lastEpoch === -1) group.initialLr ??= group.lr;
      if (group.initialLr === undefined) {
        throw new ArgumentError(
          `parameter group ${i} has no initialLr; load the optimizer's state before resuming at epoch ${lastEpoch}`,
        );
      }
      return group.initialLr;
    });
  }

  /** Returns the groups' new learning rates for step number `lastEpoch`. */
  protected abstract rates(): number[];

  /** Returns the same rates without using the previous ones, if the schedule has such a form. */
  protected ratesFromStart(): number[] | null {
    return null;
  }

  /** Returns the schedule's own settings by PyTorch's names. */
  protected abstract readonly fields: SavedFields;

  /** Takes the step that sets the initial learning rates. */
  start(): void {
    this.stepCount = 0;
    this.initial = true;
    this.step();
    this.initial = false;
  }

  /** Sets the learning rates of the next step. */
  step(): void {
    this.stepCount++;
    this.lastEpoch++;
    this.setRates(this.rates());
  }

  /** Restarts the schedule, at the start of its part of a longer one. */
  restart(): void {
    this.lastEpoch = 0;
    this.setRates(this.ratesFromStart() ?? this.rates());
  }

  /** Undoes the count of the constructor's step. */
  undo(): void {
    this.lastEpoch--;
  }

  protected get groups(): readonly ScheduledGroup[] {
    return groupsOf(this.optimizer);
  }

  protected get currentRates(): number[] {
    return this.groups.map((group) => group.lr);
  }

  protected setRates(rates: readonly number[]): void {
    this.groups.forEach((group, i) => {
      group.lr = rates[i] ?? group.lr;
    });
    this.lastLr = this.currentRates;
  }

  get #saved(): SavedFields {
    return {
      ...this.fields,
      base_lrs: 'baseLrs',
      last_epoch: 'lastEpoch',
      _step_count: 'stepCount',
      _is_initial: 'initial',
      _last_lr: 'lastLr',
    };
  }

  /** Returns the state under PyTorch's names; torch.optim.lr_scheduler's class of the same name loads it. */
  stateDict(): SchedulerState {
    return { ...saveFields(this, this.#saved), _get_lr_called_within_step: false };
  }

  /** Loads a state, also one of PyTorch's. The optimizer's own state contains the learning rates. */
  loadStateDict(state: SchedulerState): void {
    // Older versions of PyTorch have no such entry.
    loadFields(this, this.#saved, { _is_initial: false, ...state });
  }
}
