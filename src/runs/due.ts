/** What is due after a step. */
import * as torch from '../torch/index.js';
import { agreeOn, type Agreement } from './agreement.js';
import type { RunClock } from './clock.js';
import type { TrainingConfig } from './config.js';
import { every } from './every.js';

/** Something that a run does every few steps, or minutes. */
export type Occasion = 'log' | 'images' | 'save';

/** Says after each step what is due; in several processes, the same in all of them. */
export class Due {
  readonly #own: Readonly<Record<Occasion, (clock: RunClock) => boolean>>;
  readonly #several = torch.distributed.worldSize() > 1;
  #agreed: Agreement | null = null;

  constructor(
    { logEvery, imagesEvery, saveEvery }: TrainingConfig,
    clock: RunClock,
    signal: AbortSignal | undefined,
  ) {
    this.#own = { log: every(logEvery, true), images: every(imagesEvery), save: every(saveEvery) };
    this.#agree(clock, signal, { log: false, images: false, save: false });
  }

  /** Agrees with the other processes, after a step, on what is due, and on the progress of the first one's clock. */
  agree(clock: RunClock, signal: AbortSignal | undefined): void {
    if (!this.#several) return;
    const { log, images, save } = this.#own;
    this.#agree(clock, signal, { log: log(clock), images: images(clock), save: save(clock) });
  }

  #agree(clock: RunClock, signal: AbortSignal | undefined, due: Record<Occasion, boolean>): void {
    if (!this.#several) return;
    this.#agreed = agreeOn({ ...due, progress: clock.progress, stop: signal?.aborted === true });
    clock.adopt(this.#agreed.progress);
  }

  /** True if it is due. Call once per step. */
  at(what: Occasion, clock: RunClock): boolean {
    return this.#several ? (this.#agreed?.[what] ?? false) : this.#own[what](clock);
  }

  /** True if the signal stops the run; in several processes, if one of them was stopped before its last step ended. */
  stops(signal: AbortSignal | undefined): boolean {
    return this.#several ? (this.#agreed?.stop ?? false) : signal?.aborted === true;
  }
}
