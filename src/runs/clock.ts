import { closeSync, existsSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';

/** Length of a run: a number of steps, a wall-clock time, or whichever ends first. */
export interface RunLength {
  steps?: number | undefined;
  minutes?: number | undefined;
}

export interface RunClockOptions {
  /** Steps and seconds of the run before it was stopped. */
  step?: number;
  seconds?: number;
  /**
   * File that records the progress at every step of a run limited by time. A resumed run reads the progress of the
   * steps that it repeats from it, so that its schedules, and hence its losses, are the same.
   */
  journal?: string;
}

/**
 * Tracks the progress of a run. The progress does not change between two ticks.
 *
 * @example
 * ```ts
 * const clock = new RunClock({ steps: 1000, minutes: 10 });
 * clock.begin();
 * while (!clock.done) clock.tick(); // after each step
 * clock.close();
 * ```
 */
export class RunClock {
  /** Number of steps done, including those before a resume. */
  step: number;
  /** Completed share of the run, 0 to 1. */
  progress = 0;
  readonly #steps: number;
  readonly #milliseconds: number;
  readonly #before: number;
  readonly #startStep: number;
  readonly #recorded: Float64Array;
  readonly #journal: number | null = null;
  #start = performance.now();
  #recent: { step: number; time: number }[] = [];

  constructor(
    { steps = Infinity, minutes = Infinity }: RunLength,
    { step = 0, seconds = 0, journal }: RunClockOptions = {},
  ) {
    if (!(steps > 0) || !(minutes > 0)) {
      throw new RangeError(`a run needs a positive length, got steps ${steps} and minutes ${minutes}`);
    }
    if (steps === Infinity && minutes === Infinity) {
      throw new RangeError('a run needs an end: give it steps, minutes, or both');
    }
    this.step = step;
    this.#steps = steps;
    this.#milliseconds = minutes * 60_000;
    this.#before = seconds * 1000;
    this.#startStep = step;
    const timed = journal !== undefined && minutes !== Infinity;
    this.#recorded = timed ? readJournal(journal) : new Float64Array();
    if (timed) this.#journal = openSync(journal, existsSync(journal) ? 'r+' : 'w+');
    this.#advance();
  }

  /** Seconds of training, including those before a resume. */
  get seconds(): number {
    return (this.#before + performance.now() - this.#start) / 1000;
  }

  /** True when the run is over. */
  get done(): boolean {
    return this.progress >= 1;
  }

  /** Steps per second over about the last half minute. */
  get rate(): number {
    const first = this.#recent[0];
    const seconds = first ? (performance.now() - first.time) / 1000 : 0;
    return first && this.step > first.step && seconds > 0 ? (this.step - first.step) / seconds : 0;
  }

  /** Estimated remaining seconds, by steps or by time, whichever ends the run first. */
  get eta(): number {
    const { rate } = this;
    const bySteps = rate > 0 ? (this.#steps - this.step) / rate : Infinity;
    return Math.max(0, Math.min(bySteps, this.#milliseconds / 1000 - this.seconds));
  }

  /** Starts the clock. Call when training begins: preparation does not count. */
  begin(): void {
    this.#start = performance.now();
  }

  /** Counts a step. Call after every step. */
  tick(): void {
    this.step++;
    this.#advance();
    const time = performance.now();
    const last = this.#recent.at(-1);
    // The first two steps are slower. Keeps one mark per second, for half a minute.
    if (this.step - this.#startStep >= 2 && (!last || time - last.time > 1000)) {
      this.#recent.push({ step: this.step, time });
      if (this.#recent.length > 30) this.#recent.shift();
    }
  }

  /** Takes over the progress of the process whose clock counts. */
  adopt(progress: number): void {
    this.progress = progress;
  }

  /** Closes the journal's file; the progress in it is kept. */
  close(): void {
    if (this.#journal !== null) closeSync(this.#journal);
  }

  #advance(): void {
    const now = Math.max(this.step / this.#steps, (this.seconds * 1000) / this.#milliseconds);
    // Steps taken while the run was limited by steps only leave a hole, which reads as zero.
    const known = this.#recorded[this.step] || undefined;
    this.progress = Math.min(1, known ?? Math.max(this.progress, now));
    if (this.#journal === null || known !== undefined) return;
    writeSync(this.#journal, new Float64Array([this.progress]), 0, 8, this.step * 8);
  }
}

/**
 * Removes the progress recorded at `step` and later from a journal. For a run whose length changes: progress recorded
 * for the old length does not apply to the new one, and a finished run would end again immediately.
 */
export function forgetProgress(journal: string, step: number): void {
  const { size } = statSync(journal, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size > step * 8) truncateSync(journal, step * 8);
}

function readJournal(path: string): Float64Array {
  if (!existsSync(path)) return new Float64Array();
  const bytes = readFileSync(path);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~7)));
}
