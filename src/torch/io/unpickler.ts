/**
 * A strict reader of Python's pickles, protocols 0 to 5. It is a machine with a stack that only ever builds values:
 * nothing a pickle names is looked up, imported or called. What the fixed list of constructors does not know becomes an
 * inert {@link PickledObject}.
 */
import { construct } from './pickle-constructors.js';
import type { PickleInput } from './pickle-input.js';
import {
  PickledDict,
  PickledGlobal,
  PickledObject,
  PickledSet,
  PickledTuple,
  NumpyArray,
  NumpyType,
  StoredTensor,
} from './pickle-values.js';
import type { Pickled } from './pickle-values.js';
import { buildNumpy } from './pickle-numpy.js';

/** Longest single string, and longest integer: more is an attack or an accident. */
const MAX_STRING = 64 * 2 ** 20;
const MAX_INTEGER_BYTES = 1024;
const MAX_LINE = 4096;
const MAX_MARKS = 10_000;

/** Rough costs of values in memory, in bytes, with what is later made of them. */
const COST = { small: 16, memo: 64, container: 96, entry: 128, item: 40, object: 400 };

export interface UnpickleOptions {
  /** Bytes of memory that the values may take, roughly. */
  readonly budget: number;
  /** Turns a persistent identifier (a tuple that names a storage) into a value. */
  persistent(id: Pickled, fail: (message: string) => never): Pickled;
}

/** Memory left for values; shared by the pickles of one file. */
export class Budget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** false once it is used up. */
  spend(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }
}

/** Reads one pickle, up to its STOP, and leaves the input behind it. */
export function unpickle(input: PickleInput, options: UnpickleOptions): Pickled {
  return new Machine(input, options).run();
}

class Machine {
  readonly #input: PickleInput;
  readonly #options: UnpickleOptions;
  readonly #stack: Pickled[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Pickled>();
  readonly #globals = new Map<string, PickledGlobal>();
  readonly #budget: Budget;
  /** Position of the opcode that is running. */
  #position = 0;

  constructor(input: PickleInput, options: UnpickleOptions) {
    this.#input = input;
    this.#options = options;
    this.#budget = new Budget(options.budget);
  }

  run(): Pickled {
    for (;;) {
      this.#position = this.#input.position;
      const opcode = this.#input.byte();
      if (opcode === 0x2e) {
        const value = this.#pop();
        if (this.#stack.length > 0) this.#fail('the pickle ends with values left over');
        return value;
      }
      const run = operations[opcode];
      if (run === undefined) {
        this.#fail(`opcode 0x${opcode.toString(16).padStart(2, '0')} is none that checkpoints use`);
      }
      run(this);
    }
  }

  readonly fail = (message: string): never => this.#fail(message);

  #fail(message: string): never {
    this.#input.fail('pickle', message, this.#position);
  }

  #spend(bytes: number): void {
    if (this.#budget.spend(bytes)) return;
    this.#input.fail(
      'limit',
      'the pickle unfolds to more values than a file of this size should hold',
      this.#position,
    );
  }

  // Stack and memo.

  push(value: Pickled, cost = COST.small): void {
    this.#spend(cost);
    this.#stack.push(value);
  }

  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #pop(): Pickled {
    if (this.#stack.length <= this.#floor()) this.#fail('a value is taken from an empty stack');
    return this.#stack.pop() as Pickled;
  }

  #top(): Pickled {
    if (this.#stack.length <= this.#floor()) this.#fail('a value is needed where the stack is empty');
    return this.#stack.at(-1) as Pickled;
  }

  mark(): void {
    if (this.#marks.length >= MAX_MARKS) this.#input.fail('limit', 'marks nest too deeply', this.#position);
    this.#marks.push(this.#stack.length);
  }

  #popMark(): Pickled[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.#fail('values up to a mark are needed where there is none');
    return this.#stack.splice(mark);
  }

  pop(): void {
    // As in Python, a mark counts as a value here.
    if (this.#marks.length > 0 && this.#stack.length === this.#floor()) this.#marks.pop();
    else this.#pop();
  }

  popMark(): void {
    this.#popMark();
  }

  duplicate(): void {
    this.push(this.#top());
  }

  put(index: number): void {
    this.#spend(COST.memo);
    this.#memo.set(index, this.#top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.#fail(`value ${index} is recalled but was never kept`);
    this.push(value);
  }

  // Reading arguments of opcodes.

  unsigned(size: 1 | 2 | 4): number {
    const bytes = this.#input.take(size);
    return bytes.readUIntLE(0, size);
  }

  signed32(): number {
    return this.#input.take(4).readInt32LE();
  }

  float64(): number {
    return this.#input.take(8).readDoubleBE();
  }

  /** An eight-byte length. */
  length64(): number {
    const length = this.#input.take(8).readBigUInt64LE();
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail(`a length of ${length} bytes is announced`);
    return Number(length);
  }

  line(): string {
    return this.#input.line(MAX_LINE).toString('utf8');
  }

  lineNumber(): number {
    const text = this.line();
    if (!/^\d{1,15}$/.test(text)) this.#fail(`${JSON.stringify(text.slice(0, 40))} is no index`);
    return Number(text);
  }

  passFrame(): void {
    this.length64();
  }

  protocol(): void {
    const version = this.#input.byte();
    if (version > 5) this.#fail(`pickle protocol ${version} is not known; 5 is the newest`);
  }

  // Values.

  #bytes(length: number): Buffer {
    if (length > MAX_STRING) {
      this.#input.fail('limit', `a string of ${length} bytes is announced`, this.#position);
    }
    this.#spend(COST.small + 2 * length);
    return this.#input.take(length);
  }

  pushText(length: number): void {
    // Lone surrogates, which Python lets through, become replacement characters.
    this.push(this.#bytes(length).toString('utf8'));
  }

  /** A string of Python 2: text where it is UTF-8, else its bytes as Latin-1 characters. */
  pushByteString(length: number): void {
    const bytes = this.#bytes(length);
    const text = bytes.toString('utf8');
    this.push(text.includes('\ufffd') ? bytes.toString('latin1') : text);
  }

  pushBytes(length: number): void {
    this.push(Uint8Array.from(this.#bytes(length)));
  }

  pushLong(length: number): void {
    if (length > MAX_INTEGER_BYTES) {
      this.#input.fail('limit', `an integer of ${length} bytes is announced`, this.#position);
    }
    const hex = Buffer.from(this.#input.take(length)).reverse().toString('hex');
    const value = length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    this.push(plainInteger(value), COST.small + length);
  }

  pushDecimal(): void {
    const text = this.line();
    if (text === '00' || text === '01') return this.push(text === '01');
    if (!/^[+-]?\d+L?$/.test(text)) this.#fail(`${JSON.stringify(text.slice(0, 40))} is no integer`);
    this.push(plainInteger(BigInt(text.replace(/^\+|L$/g, ''))), COST.small + text.length);
  }

  pushDecimalFloat(): void {
    const text = this.line();
    const special: Record<string, number> = { inf: Infinity, '-inf': -Infinity, nan: NaN, '-nan': NaN };
    const value = special[text] ?? (/^[-+.\deE]+$/.test(text) ? Number(text) : undefined);
    if (value === undefined || (Number.isNaN(value) && !text.includes('nan'))) {
      this.#fail(`${JSON.stringify(text.slice(0, 40))} is no number`);
    }
    this.push(value);
  }

  /** A quoted string of protocol 0. */
  pushQuoted(): void {
    const text = this.#input.line(MAX_STRING).toString('latin1').trimEnd();
    const quote = text[0];
    if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote) {
      this.#fail('a string without quotes');
    }
    this.push(unescape(text.slice(1, -1)), COST.small + 2 * text.length);
  }

  pushRawUnicode(): void {
    const text = this.#input.line(MAX_STRING).toString('latin1');
    const decoded = text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short, long) => {
      const code = parseInt((short ?? long) as string, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    });
    this.push(decoded, COST.small + 2 * text.length);
  }

  pushList(): void {
    this.push([], COST.container);
  }

  pushDict(): void {
    this.push(new PickledDict(), COST.container);
  }

  pushSet(): void {
    this.push(new PickledSet([]), COST.container);
  }

  #tuple(items: Pickled[]): PickledTuple {
    this.#spend(COST.container + COST.item * items.length);
    return new PickledTuple(items);
  }

  pushTuple(count: 0 | 1 | 2 | 3): void {
    const items: Pickled[] = Array.from({ length: count });
    for (let i = count - 1; i >= 0; i--) items[i] = this.#pop();
    this.push(this.#tuple(items));
  }

  tupleOfMark(): void {
    const items = this.#popMark();
    this.push(this.#tuple(items));
  }

  listOfMark(): void {
    const items = this.#popMark();
    this.push(items, COST.container + COST.item * items.length);
  }

  frozenSetOfMark(): void {
    const items = this.#popMark();
    this.push(new PickledSet(items), COST.container + COST.item * items.length);
  }

  dictOfMark(): void {
    const items = this.#popMark();
    const dict = new PickledDict();
    this.#setItems(dict, items);
    this.push(dict, COST.container);
  }

  append(): void {
    const value = this.#pop();
    this.#appendTo(this.#top(), [value]);
  }

  appendAll(): void {
    const values = this.#popMark();
    this.#appendTo(this.#top(), values);
  }

  #appendTo(target: Pickled, values: Pickled[]): void {
    this.#spend(COST.item * values.length);
    let list: Pickled[];
    if (Array.isArray(target)) list = target;
    else if (target instanceof PickledObject) list = target.items ??= [];
    else return this.#fail('values are appended to what is no list');
    for (const value of values) list.push(value);
  }

  addAll(): void {
    const values = this.#popMark();
    const target = this.#top();
    this.#spend(COST.item * values.length);
    let items: Pickled[];
    if (target instanceof PickledSet) items = target.items;
    else if (target instanceof PickledObject) items = target.items ??= [];
    else return this.#fail('values are added to what is no set');
    for (const value of values) items.push(value);
  }

  setItem(): void {
    const value = this.#pop();
    const key = this.#pop();
    this.#setItems(this.#top(), [key, value]);
  }

  setAll(): void {
    const items = this.#popMark();
    this.#setItems(this.#top(), items);
  }

  #setItems(target: Pickled, items: Pickled[]): void {
    let dict: PickledDict;
    if (target instanceof PickledDict) dict = target;
    else if (target instanceof PickledObject) dict = target.entries ??= new PickledDict();
    else return this.#fail('an item is set in what is no dictionary');
    if (items.length % 2 !== 0) this.#fail('a key without a value');
    this.#spend((COST.entry * items.length) / 2);
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] as Pickled;
      if (Array.isArray(key) || key instanceof PickledDict || key instanceof PickledSet) {
        this.#fail('a dictionary key that can change (a list, dictionary or set)');
      }
      dict.set(key, items[i + 1] as Pickled);
    }
  }

  // Names and what would be calls.

  #global(module: string, name: string): PickledGlobal {
    const full = `${module}.${name}`;
    let global = this.#globals.get(full);
    if (global === undefined) {
      this.#spend(COST.object + 2 * full.length);
      global = new PickledGlobal(full);
      this.#globals.set(full, global);
    }
    return global;
  }

  pushGlobal(): void {
    const module = this.line();
    this.push(this.#global(module, this.line()));
  }

  pushStackGlobal(): void {
    const name = this.#pop();
    const module = this.#pop();
    if (typeof name !== 'string' || typeof module !== 'string') this.#fail('a name that is no string');
    if (name.length + module.length > MAX_LINE) this.#fail('a name that is far too long');
    this.push(this.#global(module, name));
  }

  /** REDUCE and NEWOBJ: callable and arguments on the stack. */
  reduce(): void {
    const args = this.#pop();
    this.push(this.#call(this.#pop(), args));
  }

  reduceWithKeywords(): void {
    const keywords = this.#pop();
    const args = this.#pop();
    const value = this.#call(this.#pop(), args);
    if (!(keywords instanceof PickledDict)) this.#fail('keyword arguments that are no dictionary');
    if (value instanceof PickledObject && keywords.entries !== null) value.entries = keywords;
    this.push(value);
  }

  /** OBJ and INST of old pickles: class first, then arguments, up to the mark. */
  instanceOfMark(): void {
    const [callable, ...args] = this.#popMark();
    if (callable === undefined) this.#fail('an object without a class');
    this.push(this.#call(callable, this.#tuple(args)));
  }

  instance(): void {
    const module = this.line();
    const global = this.#global(module, this.line());
    const args = this.#tuple(this.#popMark());
    this.push(this.#call(global, args));
  }

  #call(callable: Pickled, args: Pickled): Pickled {
    if (!(args instanceof PickledTuple)) this.#fail('arguments that are no tuple');
    this.#spend(COST.object + weight(args) + args.items.reduce<number>((sum, arg) => sum + weight(arg), 0));
    if (callable instanceof PickledGlobal) {
      return construct(callable.name, args.items, this.fail) ?? new PickledObject(callable.name, args.items);
    }
    if (callable instanceof PickledObject) return new PickledObject(`${callable.global}()`, args.items);
    return this.#fail('something is called that is no class or function');
  }

  build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (state instanceof PickledTuple) {
      this.#spend(state.items.reduce<number>((sum, part) => sum + weight(part), 0));
    }
    if (target instanceof PickledObject) target.state = state;
    else if (target instanceof NumpyType || target instanceof NumpyArray)
      buildNumpy(target, state, this.fail);
    else if (target instanceof PickledDict) {
      // Attributes of an OrderedDict, such as a state dict's `_metadata`, say nothing of its values.
      const entries = state instanceof PickledDict ? state.entries : null;
      if (target.attributes && entries !== null) {
        for (const [key, value] of entries) this.#setItems(target, [key, value]);
      }
    } else if (!(target instanceof StoredTensor || target instanceof PickledSet)) {
      this.#fail('a state is given to what has none');
    }
  }

  persistent(): void {
    this.push(this.#options.persistent(this.#pop(), this.fail), COST.object);
  }
}

/** What a copy of the value would take: constructors copy their arguments. */
function weight(value: Pickled): number {
  if (Array.isArray(value)) return COST.item * value.length;
  if (value instanceof PickledTuple || value instanceof PickledSet) return COST.item * value.items.length;
  if (value instanceof PickledDict) return COST.entry * (value.entries?.size ?? 0);
  return typeof value === 'string' || value instanceof Uint8Array ? 2 * value.length : 0;
}

function plainInteger(value: bigint): number | bigint {
  const small = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return small ? Number(value) : value;
}

function unescape(text: string): string {
  const simple: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' };
  return text.replace(/\\(x[0-9a-fA-F]{2}|[^])/g, (whole: string, code: string) =>
    code.length === 3 ? String.fromCharCode(parseInt(code.slice(1), 16)) : (simple[code] ?? whole),
  );
}

type Operation = (machine: Machine) => void;

const operations: readonly (Operation | undefined)[] = table({
  // Protocol marks, stack and memo
  '\x80': (m) => m.protocol(),
  '\x95': (m) => m.passFrame(),
  '(': (m) => m.mark(),
  '0': (m) => m.pop(),
  '1': (m) => m.popMark(),
  '2': (m) => m.duplicate(),
  p: (m) => m.put(m.lineNumber()),
  q: (m) => m.put(m.unsigned(1)),
  r: (m) => m.put(m.unsigned(4)),
  '\x94': (m) => m.memoize(),
  g: (m) => m.get(m.lineNumber()),
  h: (m) => m.get(m.unsigned(1)),
  j: (m) => m.get(m.unsigned(4)),
  // Numbers, None and booleans
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  I: (m) => m.pushDecimal(),
  L: (m) => m.pushDecimal(),
  J: (m) => m.push(m.signed32()),
  K: (m) => m.push(m.unsigned(1)),
  M: (m) => m.push(m.unsigned(2)),
  '\x8a': (m) => m.pushLong(m.unsigned(1)),
  '\x8b': (m) => m.pushLong(m.unsigned(4)),
  F: (m) => m.pushDecimalFloat(),
  G: (m) => m.push(m.float64()),
  // Strings and bytes
  S: (m) => m.pushQuoted(),
  T: (m) => m.pushByteString(m.unsigned(4)),
  U: (m) => m.pushByteString(m.unsigned(1)),
  V: (m) => m.pushRawUnicode(),
  X: (m) => m.pushText(m.unsigned(4)),
  '\x8c': (m) => m.pushText(m.unsigned(1)),
  '\x8d': (m) => m.pushText(m.length64()),
  B: (m) => m.pushBytes(m.unsigned(4)),
  C: (m) => m.pushBytes(m.unsigned(1)),
  '\x8e': (m) => m.pushBytes(m.length64()),
  '\x96': (m) => m.pushBytes(m.length64()),
  // Containers
  ']': (m) => m.pushList(),
  '}': (m) => m.pushDict(),
  ')': (m) => m.pushTuple(0),
  '\x85': (m) => m.pushTuple(1),
  '\x86': (m) => m.pushTuple(2),
  '\x87': (m) => m.pushTuple(3),
  '\x8f': (m) => m.pushSet(),
  l: (m) => m.listOfMark(),
  d: (m) => m.dictOfMark(),
  t: (m) => m.tupleOfMark(),
  '\x91': (m) => m.frozenSetOfMark(),
  a: (m) => m.append(),
  e: (m) => m.appendAll(),
  s: (m) => m.setItem(),
  u: (m) => m.setAll(),
  '\x90': (m) => m.addAll(),
  // Names, and what would be calls
  c: (m) => m.pushGlobal(),
  '\x93': (m) => m.pushStackGlobal(),
  R: (m) => m.reduce(),
  '\x81': (m) => m.reduce(),
  '\x92': (m) => m.reduceWithKeywords(),
  o: (m) => m.instanceOfMark(),
  i: (m) => m.instance(),
  b: (m) => m.build(),
  Q: (m) => m.persistent(),
});

function table(byCharacter: Readonly<Record<string, Operation>>): (Operation | undefined)[] {
  const byCode: (Operation | undefined)[] = Array.from({ length: 256 });
  for (const [character, operation] of Object.entries(byCharacter))
    byCode[character.charCodeAt(0)] = operation;
  return byCode;
}
