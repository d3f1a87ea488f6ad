import type { RunClock } from './clock.js';
import { parseInterval, type Interval, type TrainingConfig } from './config.js';
import { every } from './every.js';

/** What a run does now and then. */
export type Task = 'log' | 'images' | 'save';

/** When a run logs, draws images and saves. */
export class Timetable {
  readonly #due: Readonly<Record<Task, (clock: RunClock) => boolean>>;

  constructor({ logEvery, imagesEvery, saveEvery, earlyImages }: TrainingConfig) {
    const images = earlyImages ? withPowers(imagesEvery) : every(imagesEvery);
    this.#due = { log: every(logEvery, true), images, save: every(saveEvery) };
  }

  /** True at the steps when a task is due. Call once per step. */
  due(task: Task, clock: RunClock): boolean {
    return this.#due[task](clock);
  }
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
