import { InThread } from '../core/in-thread.js';
import { ArgumentError } from '../core/errors.js';
import { groupsOf, LRScheduler, loadFields, saveFields } from './scheduler.js';
import type { SavedFields, Schedulable, Schedule, SchedulerState } from './scheduler.js';

/** A schedule that can be part of another. */
export type Part = LRScheduler | SequentialLR | ChainedScheduler;

function checkParts(owner: string, optimizer: Schedulable, parts: readonly Part[]): void {
  if (parts.length === 0) throw new ArgumentError(`${owner} needs at least one scheduler`);
  parts.forEach((part, i) => {
    if (!(part instanceof LRScheduler || part instanceof SequentialLR || part instanceof ChainedScheduler)) {
      throw new ArgumentError(`${owner}: scheduler ${i} cannot be part of another; step it separately`);
    }
    if (part.optimizer !== optimizer)
      throw new ArgumentError(`${owner}: scheduler ${i} belongs to another optimizer`);
  });
}

/** Base class of schedules that are made of others. */
abstract class ComposedScheduler extends InThread implements Schedule {
  /** The optimizer whose learning rates are set. */
  readonly optimizer: Schedulable;
  /** The schedules, in order. */
  readonly schedulers: readonly Part[];
  /** The groups' learning rates after the last step. */
  lastLr: readonly number[];
  readonly #name: string;
  readonly #fields: SavedFields;

  constructor(
    name: string,
    optimizer: Schedulable,
    schedulers: readonly Part[],
    fields: Readonly<Record<string, string>>,
  ) {
    super('a schedule', 'send or write its stateDict()');
    checkParts(name, optimizer, schedulers);
    this.optimizer = optimizer;
    this.schedulers = schedulers;
    this.lastLr = groupsOf(optimizer).map((group) => group.lr);
    this.#name = name;
    this.#fields = { ...fields, _last_lr: 'lastLr' };
  }

  /** Advances by one step; call it after the optimizer's step. */
  abstract step(): void;

  /** Sets the initial learning rates; called by the constructor, or by a schedule that contains this one. */
  start(): void {
    this.step();
  }

  /** Undoes the step taken by the constructor; called by a schedule that contains this one. */
  undo(): void {
    for (const scheduler of this.schedulers) scheduler.undo();
  }

  /** Returns the state in PyTorch's structure. */
  stateDict(): SchedulerState {
    return {
      ...saveFields(this, this.#fields),
      _schedulers: this.schedulers.map((part) => part.stateDict()),
    };
  }

  /** Loads a saved state. @throws ArgumentError if it belongs to a different schedule */
  loadStateDict(state: SchedulerState): void {
    const saved = state['_schedulers'];
    const { length } = this.schedulers;
    if (!Array.isArray(saved) || saved.length !== length)
      throw new ArgumentError(`${this.#name}: the saved state does not have ${length} schedulers`);
    for (const [i, part] of this.schedulers.entries()) part.loadStateDict(saved[i] as SchedulerState);
    loadFields(this, this.#fields, state);
  }
}

/**
 * Runs one schedule after another, each starting at its milestone.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const warmUp = new optim.LinearLR(optimizer, { startFactor: 0.01, totalIters: 500 });
 * const decay = new optim.CosineAnnealingLR(optimizer, 9500);
 * const scheduler = new optim.SequentialLR(optimizer, [warmUp, decay], [500]);
 * ```
 */
export class SequentialLR extends ComposedScheduler {
  /** Steps at which the second, third, … schedule starts. */
  milestones: number[];
  /** Steps taken. */
  lastEpoch: number;

  /** @param milestones steps at which the second, third, … scheduler starts */
  constructor(
    optimizer: Schedulable,
    schedulers: readonly Part[],
    milestones: readonly number[],
    { lastEpoch = -1 } = {},
  ) {
    super('SequentialLR', optimizer, schedulers, { _milestones: 'milestones', last_epoch: 'lastEpoch' });
    if (milestones.length !== schedulers.length - 1) {
      throw new ArgumentError(
        `SequentialLR: ${schedulers.length} schedulers need ${schedulers.length - 1} milestones, not ${milestones.length}`,
      );
    }
    this.milestones = [...milestones];
    this.lastEpoch = lastEpoch + 1;
    // Each scheduler set learning rates when it was created; only the first may.
    for (const group of groupsOf(optimizer)) group.lr = group.initialLr ?? group.lr;
    for (const scheduler of schedulers) scheduler.undo();
    const first = this.#at(0);
    first.start();
    this.lastLr = first.lastLr;
  }

  #at(step: number): Part {
    const index = this.milestones.filter((milestone) => milestone <= step).length;
    return this.schedulers[index] as Part;
  }

  step(): void {
    this.lastEpoch++;
    const scheduler = this.#at(this.lastEpoch);
    const index = this.schedulers.indexOf(scheduler);
    if (index > 0 && this.milestones[index - 1] === this.lastEpoch) scheduler.restart();
    else scheduler.step();
    this.lastLr = scheduler.lastLr;
  }

  /** Restarts at step 0; called by a schedule that contains this one. */
  restart(): void {
    throw new ArgumentError(
      'a SequentialLR cannot be a later part of another; list its schedulers and milestones there',
    );
  }
}

/**
 * Runs several schedules at once: their factors multiply.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD(new nn.Linear(8, 2).parameters(), { lr: 0.1 });
 * const warmUp = new optim.LinearLR(optimizer, { startFactor: 0.01, totalIters: 500 });
 * const decay = new optim.ExponentialLR(optimizer, 0.9999);
 * const scheduler = new optim.ChainedScheduler([warmUp, decay]);
 * ```
 */
export class ChainedScheduler extends ComposedScheduler {
  constructor(schedulers: readonly Part[]) {
    super('ChainedScheduler', schedulers[0]?.optimizer as Schedulable, schedulers, {});
  }

  step(): void {
    for (const scheduler of this.schedulers) scheduler.step();
    this.lastLr = groupsOf(this.optimizer).map((group) => group.lr);
  }

  /** Restarts at step 0; called by a schedule that contains this one. */
  restart(): void {
    throw new ArgumentError('a ChainedScheduler cannot be a later part of a SequentialLR');
  }
}

export type { ComposedScheduler };
