/** How long a run lasts: a number of steps, a wall-clock time, or whichever ends first. */
export interface RunLength {
  steps?: number | undefined;
  minutes?: number | undefined;
}

/** Tells a run how far it is and when to print. */
export class RunClock {
  step = 0;
  readonly #start = performance.now();
  readonly #steps: number;
  readonly #milliseconds: number;
  readonly #every: number;
  #lastReport = -Infinity;
  #warmStep = 0;
  #warmTime = 0;

  /** `reportSeconds` is the time between two progress lines. */
  constructor({ steps = Infinity, minutes = Infinity }: RunLength, reportSeconds = 10) {
    if (!(steps > 0) || !(minutes > 0)) {
      throw new RangeError(`a run needs a positive length, got steps ${steps} and minutes ${minutes}`);
    }
    if (steps === Infinity && minutes === Infinity) {
      throw new RangeError('a run needs an end: give it steps, minutes, or both');
    }
    this.#steps = steps;
    this.#milliseconds = minutes * 60_000;
    this.#every = reportSeconds * 1000;
  }

  /** Share of the run that is over, 0 to 1. */
  get progress(): number {
    const elapsed = performance.now() - this.#start;
    return Math.min(1, Math.max(this.step / this.#steps, elapsed / this.#milliseconds));
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  get done(): boolean {
    return this.progress >= 1;
  }

  /** Steps a second, without the first few, which are slower. */
  get rate(): number {
    return (this.step - this.#warmStep) / Math.max(1e-3, this.seconds - this.#warmTime);
  }

  /** Call after every step. */
  tick(): void {
    this.step++;
    if (this.step === 3) [this.#warmStep, this.#warmTime] = [3, this.seconds];
  }

  /** True every few seconds, and at the first and last step: time for a progress line. */
  reportDue(): boolean {
    const now = performance.now();
    if (!this.done && now - this.#lastReport < this.#every) return false;
    this.#lastReport = now;
    return true;
  }

  /** `name  1,240 steps  6%  5.1 it/s  40.8 img/s  eta 1h01  loss 0.142 …` */
  line(name: string, batchSize: number, values: Record<string, number | string>): string {
    const percent = Math.floor(100 * this.progress);
    const remaining = this.progress > 0 ? (this.seconds * (1 - this.progress)) / this.progress : Infinity;
    const figures = Object.entries(values).map(
      ([key, v]) => `${key} ${typeof v === 'number' ? figure(v) : v}`,
    );
    return [
      name,
      `${this.step.toLocaleString('en')} steps`,
      `${percent}%`,
      `${figure(this.rate)} it/s`,
      `${figure(this.rate * batchSize)} img/s`,
      `eta ${duration(remaining)}`,
      ...figures,
    ].join('  ');
  }
}

/** Learning rate at a share of the run: up in the first 2%, flat, down to 5% over the last 60%. */
export function learningRateAt(progress: number, peak: number): number {
  if (progress < 0.02) return peak * Math.max(0.05, progress / 0.02);
  return peak * (progress < 0.4 ? 1 : Math.max(0.05, (1 - progress) / 0.6));
}

function figure(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4);
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${String(s % 60).padStart(2, '0')}`;
  return `${Math.floor(s / 3600)}h${String(Math.floor((s % 3600) / 60)).padStart(2, '0')}`;
}
