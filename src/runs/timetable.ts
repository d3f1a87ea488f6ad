import type { RunClock } from './clock.js';
import type { TrainingConfig } from './config.js';
import { every } from './every.js';

/** What a run does now and then. */
export type Task = 'log' | 'images' | 'save';

/** When a run logs, draws images and saves. */
export class Timetable {
  readonly #due: Readonly<Record<Task, (clock: RunClock) => boolean>>;

  constructor({ logEvery, imagesEvery, saveEvery }: TrainingConfig) {
    this.#due = { log: every(logEvery, true), images: every(imagesEvery), save: every(saveEvery) };
  }

  /** True at the steps when a task is due. Call once per step. */
  due(task: Task, clock: RunClock): boolean {
    return this.#due[task](clock);
  }
}
