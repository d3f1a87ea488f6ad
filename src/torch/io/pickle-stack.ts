/** The stack, marks and memo of the unpickling machine, with limits; and the arguments of its opcodes. */
import type { PickleInput } from './pickle-input.js';
import type { Pickled } from './pickle-values.js';

/** Longest line of a name. */
export const MAX_LINE = 4096;
const MAX_MARKS = 10_000;

/** Rough memory costs of values in bytes, including what is later made of them. */
export const COST = { small: 16, memo: 24, container: 96, entry: 128, item: 40, object: 400 };

/**
 * The memory that a pickle's values may take, in bytes: a fixed amount, plus an amount for every byte of the pickle.
 * Lists of numbers cost 6 to 28 per byte, lists of None 56; only copies and masses of empty containers cost more.
 */
const ROOM = 32 * 2 ** 20;
const RATE = 64;

/** Overrides of the memory limit of a pickle's values. */
export interface Budget {
  /** Bytes independent of the size of the pickle. Default 32 MiB. */
  readonly room?: number;
  /** Bytes of the file per byte of the pickle, if it is compressed. Default 1. */
  readonly packing?: number;
}

export class PickleStack {
  protected readonly input: PickleInput;
  readonly #stack: Pickled[] = [];
  readonly #marks: number[] = [];
  /** Values by index: those that came in order, as Python stores them, and those that did not. */
  readonly #memo: Pickled[] = [];
  readonly #others = new Map<number, Pickled>();
  /** Bytes that the values take so far. */
  #spent = 0;
  readonly #room: number;
  readonly #rate: number;
  readonly #start: number;
  /** Position of the current opcode. */
  protected position = 0;

  constructor(input: PickleInput, { room = ROOM, packing = 1 }: Budget) {
    this.input = input;
    this.#room = room;
    this.#rate = RATE * packing;
    this.#start = input.position;
  }

  readonly fail: (message: string) => never = (message) => this.input.fail('pickle', message, this.position);

  protected exceeded(message: string): never {
    return this.input.fail('limit', message, this.position);
  }

  protected spend(bytes: number): void {
    this.#spent += bytes;
    if (this.#spent > this.#room + this.#rate * (this.input.position - this.#start))
      this.exceeded('the pickle expands to more values than its size allows');
  }

  protected get size(): number {
    return this.#stack.length;
  }

  push(value: Pickled, cost = COST.small): void {
    this.spend(cost);
    this.#stack.push(value);
  }

  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  protected take(): Pickled {
    if (this.#stack.length <= this.#floor()) this.fail('a value is popped from an empty stack');
    return this.#stack.pop() as Pickled;
  }

  protected top(): Pickled {
    if (this.#stack.length <= this.#floor()) this.fail('a value is needed, but the stack is empty');
    return this.#stack.at(-1) as Pickled;
  }

  mark(): void {
    if (this.#marks.length >= MAX_MARKS) this.exceeded('marks nest too deeply');
    this.#marks.push(this.#stack.length);
  }

  takeMark(): Pickled[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.fail('values up to a mark are needed, but there is no mark');
    return this.#stack.splice(mark);
  }

  pop(): void {
    // As in Python, a mark counts as a value here.
    if (this.#marks.length > 0 && this.#stack.length === this.#floor()) this.#marks.pop();
    else this.take();
  }

  duplicate(): void {
    this.push(this.top());
  }

  put(index: number): void {
    const value = this.top();
    if (index < this.#memo.length) {
      this.#memo[index] = value;
    } else if (index === this.#memo.length) {
      // Python stores no value twice.
      this.spend(index > 0 && this.#memo[index - 1] === value ? COST.object : COST.memo);
      this.#memo.push(value);
    } else {
      this.spend(COST.entry);
      this.#others.set(index, value);
    }
  }

  memoize(): void {
    this.put(this.#memo.length + this.#others.size);
  }

  get(index: number): void {
    const value = index < this.#memo.length ? this.#memo[index] : this.#others.get(index);
    if (value === undefined) this.fail(`value ${index} is read from the memo but was never stored`);
    this.push(value);
  }

  // Arguments of opcodes.

  unsigned(size: 1 | 2 | 4): number {
    const bytes = this.input.take(size);
    return bytes.readUIntLE(0, size);
  }

  signed32(): number {
    return this.input.take(4).readInt32LE();
  }

  float64(): number {
    return this.input.take(8).readDoubleBE();
  }

  /** Reads an eight-byte length. */
  length64(): number {
    const length = this.input.take(8).readBigUInt64LE();
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`a length claims ${length} bytes`);
    return Number(length);
  }

  line(limit = MAX_LINE): string {
    return this.input.line(limit).toString('utf8');
  }

  lineNumber(): number {
    const text = this.line();
    if (!/^\d{1,15}$/.test(text)) this.fail(`${JSON.stringify(text.slice(0, 40))} is not an index`);
    return Number(text);
  }

  protocol(): void {
    const version = this.input.byte();
    if (version > 5) this.fail(`pickle protocol ${version} is not supported; the newest is 5`);
  }
}
