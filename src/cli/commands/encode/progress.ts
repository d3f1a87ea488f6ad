/** Progress of `encode`: images, rate and time left. */
import type { ShardEntry } from '../../../tokenizer/manifest.js';
import { countOf, duration, shortNumber } from '../../numbers.js';
import { isInteractive } from '../../terminal.js';

/** Milliseconds between redraws of the line on a terminal. */
const REDRAW = 100;

export class Progress {
  readonly #flags: { json?: boolean; quiet?: boolean };
  readonly #total: number;
  readonly #started = performance.now();
  /** Files of finished and kept shards. */
  #done = 0;
  /** Files encoded by this process. */
  #encoded = 0;
  /** Files of shards from before. */
  #kept = 0;
  #last = 0;
  /** Images in finished and kept shards. */
  images = 0;

  constructor(flags: { json?: boolean; quiet?: boolean }, total: number) {
    this.#flags = flags;
    this.#total = total;
  }

  /** Counts encoded images, which may be parts of them, and redraws the line, if there is one. */
  advance(count: number): void {
    this.#encoded += count;
    const { json, quiet } = this.#flags;
    const now = performance.now();
    if (json || quiet || !isInteractive(process.stderr) || now - this.#last < REDRAW) return;
    this.#last = now;
    process.stderr.write(
      `\r\x1b[K${Math.floor(this.#kept + this.#encoded)} of ${this.#total} images${this.#pace()}`,
    );
  }

  /** Removes the line from the terminal, before anything else is printed. */
  clear(): void {
    const { json, quiet } = this.#flags;
    if (!json && !quiet && isInteractive(process.stderr)) process.stderr.write('\r\x1b[K');
  }

  /** Counts and prints a shard of `count` files. */
  finish(count: number, { images, files }: ShardEntry, kept: boolean): void {
    this.#done += count;
    this.images += images;
    if (kept) this.#kept += count;
    this.clear();
    if (this.#flags.json) {
      const rate = kept ? {} : { imagesPerSecond: this.#rate() };
      const record = { files, images, kept, done: this.#done, total: this.#total, ...rate };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    } else if (!this.#flags.quiet) {
      const name = files.length === 1 ? files[0] : `${files.length} files`;
      const pace = kept ? ', from before' : this.#pace();
      process.stdout.write(`${name}: ${countOf(images, 'image')} (${this.#done} of ${this.#total})${pace}\n`);
    }
  }

  /** Prints the totals. */
  end(folder: string): void {
    if (this.#flags.json || this.#flags.quiet) return;
    const seconds = duration((performance.now() - this.#started) / 1000);
    process.stdout.write(`${countOf(this.images, 'image')} in ${seconds}: ${folder}\n`);
  }

  #rate(): number {
    return this.#encoded / ((performance.now() - this.#started) / 1000);
  }

  #pace(): string {
    const rate = this.#rate();
    const left = this.#total - this.#kept - this.#encoded;
    return `, ${shortNumber(rate)} images/s${left > 0 ? `, ${duration(left / rate)} left` : ''}`;
  }
}
