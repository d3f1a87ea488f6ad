/** Measures the share of a run's time that is spent waiting for images. */
export class DataWait {
  #waited = 0;
  #begun: { step: number; seconds: number; waited: number };
  #logged: { seconds: number; waited: number };
  #reported = false;

  constructor(step: number, seconds: number) {
    this.#begun = { step, seconds, waited: 0 };
    this.#logged = { seconds, waited: 0 };
  }

  /** Adds the milliseconds that a step waited. */
  add(milliseconds: number, step: number, seconds: number): void {
    this.#waited += milliseconds / 1000;
    // The first batch is never decoded ahead, so waiting counts from the second on.
    if (step === this.#begun.step + 1) Object.assign(this.#begun, { seconds, waited: this.#waited });
  }

  /** Returns the share of the time since the last call. */
  sinceLast(seconds: number): number {
    const last = this.#logged;
    this.#logged = { seconds, waited: this.#waited };
    return Math.min(1, (this.#waited - last.waited) / Math.max(1e-3, seconds - last.seconds));
  }

  /** Returns the share of the total time, once, if it exceeds a tenth after 20 steps; otherwise null. */
  tooMuch(step: number, seconds: number): number | null {
    const share = (this.#waited - this.#begun.waited) / (seconds - this.#begun.seconds);
    if (this.#reported || step - this.#begun.step < 20 || !(share > 0.1)) return null;
    this.#reported = true;
    return share;
  }
}
