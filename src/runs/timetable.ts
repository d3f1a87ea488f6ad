import * as torch from '../torch/index.js';
import { agreeOn, type Agreement } from './agreement.js';
import type { RunClock } from './clock.js';
import { parseInterval, type Interval, type TrainingConfig } from './config.js';
import { every } from './every.js';

/** Recurring task of a run. */
export type RunTask = 'log' | 'images' | 'save';

/** Times at which a run logs, draws images and saves, the same in all of its processes. */
export class Timetable {
  readonly #due: Readonly<Record<RunTask, (clock: RunClock) => boolean>>;
  readonly #several = torch.distributed.worldSize() > 1;
  #agreed: Agreement | null = null;

  constructor({ logEvery, imagesEvery, saveEvery, earlyImages }: TrainingConfig) {
    const images = earlyImages ? withPowers(imagesEvery) : every(imagesEvery);
    this.#due = { log: every(logEvery, true), images, save: every(saveEvery) };
  }

  /** Agrees with the other processes, before the first step, on the progress and on whether a signal stops them. */
  begin(clock: RunClock, signal: AbortSignal | undefined): this {
    this.#agree(clock, { log: false, images: false, save: false }, { signal, asked: false });
    return this;
  }

  /**
   * Agrees with the other processes, after a step, on the tasks that are due, and on the progress of the first one's
   * clock. Returns true if one of them was asked for a checkpoint.
   */
  agree(clock: RunClock, requests: Requests): boolean {
    if (!this.#several) return requests.asked;
    const { log, images, save } = this.#due;
    this.#agree(clock, { log: log(clock), images: images(clock), save: save(clock) }, requests);
    return this.#agreed!.ask;
  }

  #agree(clock: RunClock, due: Record<RunTask, boolean>, { signal, asked }: Requests): void {
    if (!this.#several) return;
    const stop = signal?.aborted === true;
    this.#agreed = agreeOn({ ...due, progress: clock.progress, stop, ask: asked });
    clock.adopt(this.#agreed.progress);
  }

  /** True at the steps when a task is due. Call once per step. */
  due(task: RunTask, clock: RunClock): boolean {
    return this.#several ? (this.#agreed?.[task] ?? false) : this.#due[task](clock);
  }

  /** True if the signal stops the run; in several processes, if one of them was stopped before its last step ended. */
  stops(signal: AbortSignal | undefined): boolean {
    return this.#several ? (this.#agreed?.stop ?? false) : signal?.aborted === true;
  }
}

/** Requests to a process from outside. */
interface Requests {
  signal: AbortSignal | undefined;
  /** True if it was asked for a checkpoint. */
  asked: boolean;
}

/** Returns a function that is also true at the steps 1, 2, 4, 8, …, up to an interval in steps, as in the reference's logger. */
function withPowers(interval: Interval): (clock: RunClock) => boolean {
  const regular = every(interval);
  const { steps: most } = { steps: Infinity, ...parseInterval(interval) };
  const isPower = (step: number) => Number.isInteger(Math.log2(step));
  return (clock) => {
    const isDue = regular(clock);
    return isDue || (clock.step <= most && isPower(clock.step));
  };
}
