/** The stack, marks and memo of the unpickling machine, within bounds; and the arguments of its opcodes. */
import type { PickleInput } from './pickle-input.js';
import type { Pickled } from './pickle-values.js';

/** Longest line: names and the numbers of protocol 0. */
export const MAX_LINE = 4096;
const MAX_MARKS = 10_000;

/** Rough costs of values in memory, in bytes, with what is later made of them. */
export const COST = { small: 16, memo: 64, container: 96, entry: 128, item: 40, object: 400 };

export class PickleStack {
  protected readonly input: PickleInput;
  readonly #stack: Pickled[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Pickled>();
  /** Bytes left for values. */
  #left: number;
  /** Position of the opcode that is running. */
  protected position = 0;

  /** @param budget bytes of memory that the values may take, roughly */
  constructor(input: PickleInput, budget: number) {
    this.input = input;
    this.#left = budget;
  }

  readonly fail: (message: string) => never = (message) => this.input.fail('pickle', message, this.position);

  protected exceeded(message: string): never {
    return this.input.fail('limit', message, this.position);
  }

  protected spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0)
      this.exceeded('the pickle unfolds to more values than a file of this size should hold');
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
    if (this.#stack.length <= this.#floor()) this.fail('a value is taken from an empty stack');
    return this.#stack.pop() as Pickled;
  }

  protected top(): Pickled {
    if (this.#stack.length <= this.#floor()) this.fail('a value is needed where the stack is empty');
    return this.#stack.at(-1) as Pickled;
  }

  mark(): void {
    if (this.#marks.length >= MAX_MARKS) this.exceeded('marks nest too deeply');
    this.#marks.push(this.#stack.length);
  }

  protected takeMark(): Pickled[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.fail('values up to a mark are needed where there is none');
    return this.#stack.splice(mark);
  }

  pop(): void {
    // As in Python, a mark counts as a value here.
    if (this.#marks.length > 0 && this.#stack.length === this.#floor()) this.#marks.pop();
    else this.take();
  }

  popMark(): void {
    this.takeMark();
  }

  duplicate(): void {
    this.push(this.top());
  }

  put(index: number): void {
    this.spend(COST.memo);
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.fail(`value ${index} is recalled but was never kept`);
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

  /** An eight-byte length. */
  length64(): number {
    const length = this.input.take(8).readBigUInt64LE();
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`a length of ${length} bytes is announced`);
    return Number(length);
  }

  line(): string {
    return this.input.line(MAX_LINE).toString('utf8');
  }

  lineNumber(): number {
    const text = this.line();
    if (!/^\d{1,15}$/.test(text)) this.fail(`${JSON.stringify(text.slice(0, 40))} is no index`);
    return Number(text);
  }

  passFrame(): void {
    this.length64();
  }

  protocol(): void {
    const version = this.input.byte();
    if (version > 5) this.fail(`pickle protocol ${version} is not known; 5 is the newest`);
  }
}
