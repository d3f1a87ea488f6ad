import { CheckpointError } from './checkpoint-error.js';
import type { CheckpointProblem } from './checkpoint-error.js';

const WINDOW = 64 * 1024;

/** Reads `bytes.length` bytes from a position. */
export type Fill = (bytes: Uint8Array, position: number) => void;

/** The bytes of a pickle, from memory or from a part of a file, read sequentially through a window. */
export class PickleInput {
  /** The name of the source, for errors: `data.pkl` or `file`. */
  readonly name: string;
  readonly #fill: Fill;
  readonly #end: number;
  #window: Buffer = Buffer.alloc(0);
  /** Position of the window's first byte, and of the next byte inside the window. */
  #start: number;
  #at = 0;

  constructor(name: string, fill: Fill, start: number, end: number) {
    this.name = name;
    this.#fill = fill;
    this.#start = start;
    this.#end = end;
  }

  static of(name: string, bytes: Uint8Array): PickleInput {
    const input = new PickleInput(name, () => {}, 0, bytes.length);
    input.#window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return input;
  }

  get position(): number {
    return this.#start + this.#at;
  }

  /** Reads the next byte. */
  byte(): number {
    if (this.#at >= this.#window.length) this.#advance(1);
    return this.#window[this.#at++] as number;
  }

  /** Reads the next bytes: a view that is valid until the next read. */
  take(count: number): Buffer {
    if (this.#window.length - this.#at < count) this.#advance(count);
    const bytes = this.#window.subarray(this.#at, this.#at + count);
    this.#at += count;
    return bytes;
  }

  /** Reads the bytes up to the next line feed, and skips that. */
  line(limit: number): Buffer {
    const begin = this.position;
    for (let size = 64; ; size *= 2) {
      const count = Math.min(size, this.#end - begin);
      if (this.#window.length - this.#at < count) this.#advance(count);
      const found = this.#window.subarray(this.#at, this.#at + count).indexOf(10);
      if (found >= 0) {
        const bytes = this.#window.subarray(this.#at, this.#at + found);
        this.#at += found + 1;
        return bytes;
      }
      if (count === this.#end - begin) this.fail('truncated', 'a line has no end', begin);
      if (count >= limit) this.fail('limit', `a line is longer than ${limit} bytes`, begin);
    }
  }

  fail(problem: CheckpointProblem, message: string, position: number): never {
    throw new CheckpointError(problem, `${message} (${this.name}, byte ${position})`);
  }

  #advance(count: number): void {
    const position = this.position;
    const left = this.#end - position;
    if (count > left) {
      this.fail('truncated', `${count} bytes are needed, but only ${left} are left`, position);
    }
    const window = Buffer.allocUnsafe(Math.min(Math.max(count, WINDOW), left));
    this.#fill(window, position);
    this.#window = window;
    this.#start = position;
    this.#at = 0;
  }
}
