/** The opcodes of pickles: they build values, keep names as names, and put stand-ins instead of calls. */
import { construct } from './pickle-constructors.js';
import type { PickleInput } from './pickle-input.js';
import { buildNumpy } from './pickle-numpy.js';
import { PickleScalars } from './pickle-scalars.js';
import { COST, MAX_LINE } from './pickle-stack.js';
import type { Budget } from './pickle-stack.js';
import {
  NumpyArray,
  NumpyType,
  PickledDict,
  PickledGlobal,
  PickledObject,
  PickledSet,
  PickledTuple,
  StoredTensor,
  TensorShard,
} from './pickle-values.js';
import type { Pickled } from './pickle-values.js';

export interface UnpickleOptions extends Budget {
  /** Turns a persistent identifier (a tuple that names a storage) into a value. */
  persistent(id: Pickled, fail: (message: string) => never): Pickled;
}

export class PickleMachine extends PickleScalars {
  readonly #options: UnpickleOptions;
  readonly #globals = new Map<string, PickledGlobal>();

  constructor(input: PickleInput, options: UnpickleOptions) {
    super(input, options);
    this.#options = options;
  }

  /** Notes the position of the next opcode and reads it. */
  next(): number {
    this.position = this.input.position;
    return this.input.byte();
  }

  /** Returns the value once the pickle has ended. */
  result(): Pickled {
    const value = this.take();
    if (this.size > 0) this.fail('the pickle ends with values left on the stack');
    return value;
  }

  #tuple(items: Pickled[]): PickledTuple {
    this.spend(COST.container + COST.item * items.length);
    return new PickledTuple(items);
  }

  pushTuple(count: 0 | 1 | 2 | 3): void {
    const items: Pickled[] = Array.from({ length: count });
    for (let i = count - 1; i >= 0; i--) items[i] = this.take();
    this.push(this.#tuple(items));
  }

  tupleOfMark(): void {
    const items = this.takeMark();
    this.push(this.#tuple(items));
  }

  listOfMark(): void {
    const items = this.takeMark();
    this.push(items, COST.container + COST.item * items.length);
  }

  frozenSetOfMark(): void {
    const items = this.takeMark();
    this.push(new PickledSet(items, true), COST.container + COST.item * items.length);
  }

  dictOfMark(): void {
    const items = this.takeMark();
    const dict = new PickledDict();
    this.#setItems(dict, items);
    this.push(dict, COST.container);
  }

  append(): void {
    this.appendAll([this.take()]);
  }

  appendAll(values = this.takeMark()): void {
    const target = this.top();
    const list = Array.isArray(target) ? target : null;
    this.#addTo(target, list, values, 'values are appended to something that is not a list');
  }

  addAll(): void {
    const values = this.takeMark();
    const target = this.top();
    const items = target instanceof PickledSet ? target.items : null;
    this.#addTo(target, items, values, 'values are added to something that is not a set');
  }

  /** Adds values to a list's or set's items, or to those of an object of a class that extends one. */
  #addTo(target: Pickled, items: Pickled[] | null, values: Pickled[], problem: string): void {
    this.spend(COST.item * values.length);
    const all = target instanceof PickledObject ? (target.items ??= []) : (items ?? this.fail(problem));
    for (const value of values) all.push(value);
  }

  setItem(): void {
    const value = this.take();
    const key = this.take();
    this.#setItems(this.top(), [key, value]);
  }

  setAll(): void {
    const items = this.takeMark();
    this.#setItems(this.top(), items);
  }

  #setItems(target: Pickled, items: Pickled[]): void {
    let dict: PickledDict;
    if (target instanceof PickledDict) dict = target;
    else if (target instanceof PickledObject) dict = target.entries ??= new PickledDict();
    else return this.fail('an item is set in something that is not a dictionary');
    if (items.length % 2 !== 0) this.fail('a dictionary key has no value');
    this.spend((COST.entry * items.length) / 2);
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] as Pickled;
      if (Array.isArray(key) || key instanceof PickledDict || (key instanceof PickledSet && !key.frozen)) {
        this.fail('a dictionary key is mutable (a list, dictionary or set)');
      }
      dict.set(key, items[i + 1] as Pickled);
    }
  }

  // Names, and opcodes that would call something.

  #global(module: string, name: string): PickledGlobal {
    const full = `${module}.${name}`;
    let global = this.#globals.get(full);
    if (global === undefined) {
      this.spend(COST.object + 2 * full.length);
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
    const name = this.take();
    const module = this.take();
    if (typeof name !== 'string' || typeof module !== 'string') this.fail('a name is not a string');
    if (name.length + module.length > MAX_LINE) this.fail('a name is too long');
    this.push(this.#global(module, name));
  }

  /** REDUCE and NEWOBJ: callable and arguments are on the stack. */
  reduce(): void {
    const args = this.take();
    this.push(this.#call(this.take(), args));
  }

  reduceWithKeywords(): void {
    const keywords = this.take();
    const args = this.take();
    const value = this.#call(this.take(), args);
    if (!(keywords instanceof PickledDict)) this.fail('the keyword arguments are not a dictionary');
    if (value instanceof PickledObject && keywords.entries !== null) value.entries = keywords;
    this.push(value);
  }

  /** OBJ and INST of old pickles: the class first, then arguments, up to the mark. */
  instanceOfMark(): void {
    const [callable, ...args] = this.takeMark();
    if (callable === undefined) this.fail('an object has no class');
    this.push(this.#call(callable, this.#tuple(args)));
  }

  instance(): void {
    const module = this.line();
    const global = this.#global(module, this.line());
    const args = this.#tuple(this.takeMark());
    this.push(this.#call(global, args));
  }

  #call(callable: Pickled, args: Pickled): Pickled {
    if (!(args instanceof PickledTuple)) this.fail('the arguments are not a tuple');
    this.spend(COST.object + weight(args) + args.items.reduce<number>((sum, arg) => sum + weight(arg), 0));
    if (callable instanceof PickledGlobal) {
      return construct(callable.name, args.items, this.fail) ?? new PickledObject(callable.name, args.items);
    }
    if (callable instanceof PickledObject) return new PickledObject(`${callable.global}()`, args.items);
    return this.fail('something is called that is not a class or function');
  }

  build(): void {
    const state = this.take();
    const target = this.top();
    if (state instanceof PickledTuple) {
      this.spend(state.items.reduce<number>((sum, part) => sum + weight(part), 0));
    }
    if (target instanceof PickledObject) target.state = state;
    else if (target instanceof NumpyType || target instanceof NumpyArray)
      buildNumpy(target, state, this.fail);
    else if (target instanceof PickledDict) {
      // Attributes of an OrderedDict, such as a state dict's `_metadata`, do not affect its values.
      const entries = state instanceof PickledDict ? state.entries : null;
      if (target.attributes && entries !== null) {
        for (const [key, value] of entries) this.#setItems(target, [key, value]);
      }
    } else if (target instanceof StoredTensor) {
      target.attributes = { global: target.attributes?.global ?? 'torch.Tensor', state };
    } else if (!(target instanceof PickledSet || target instanceof TensorShard)) {
      this.fail('a state is set on a value that takes none');
    }
  }

  persistent(): void {
    this.push(this.#options.persistent(this.take(), this.fail), COST.object);
  }
}

/** Returns the memory that a copy of the value would take: constructors copy their arguments. */
function weight(value: Pickled): number {
  if (Array.isArray(value)) return COST.item * value.length;
  if (value instanceof PickledTuple || value instanceof PickledSet) return COST.item * value.items.length;
  if (value instanceof PickledDict) return COST.entry * (value.entries?.size ?? 0);
  return typeof value === 'string' || value instanceof Uint8Array ? 2 * value.length : 0;
}
