import { isDType, itemSize } from '../core/dtype.js';
import { CheckpointError } from './checkpoint-error.js';
import { modulePartsOf } from './pickled-module.js';
import type { ModuleParts } from './pickled-module.js';
import { plainArray } from './pickle-numpy.js';
import {
  NumpyArray,
  NumpyType,
  PickledComplex,
  PickledDict,
  PickledGlobal,
  PickledObject,
  PickledSet,
  PickledTuple,
  StoredStorage,
  StoredTensor,
  TensorShard,
} from './pickle-values.js';
import type { Pickled, TensorAttributes } from './pickle-values.js';

/** Maximum depth; that of Python's recursion limit, which pickling obeys. */
const MAX_DEPTH = 1000;
/** Approximate bytes for a path and its entry, without the characters. */
const PATH_COST = 96;
const MAX_PATH = 2 ** 16;

export interface Tree {
  /** Every tensor under its dotted path. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Names of tensors that a state dict would leave out: a module's non-persistent buffers and its attributes. */
  readonly aside: ReadonlySet<string>;
  /** Everything other than tensors. */
  readonly metadata: Record<string, unknown>;
}

/** A member that holds tensors: its name, its value, and true if a state dict leaves it out. */
type Member = readonly [name: string, value: Pickled, aside?: boolean];

/** A container taken apart: its other contents as plain values, and the members that hold tensors. */
interface Parts {
  plain: unknown;
  tensors: Member[];
  /** True if it contains anything other than tensors, or is empty. */
  others: boolean;
}

/**
 * Separates a pickle's tensors from the rest.
 *
 * @param room for the dotted paths, in bytes: values that the file shares are repeated here
 */
export function takeApart(root: Pickled, room: number): Tree {
  const parts = new Separator();
  const { plain } = parts.of(root, 0);
  const paths = new Paths(room);
  const collect = (value: Pickled, path: string, depth: number, aside: boolean): void => {
    if (value instanceof TensorShard) throw isShard(value, path);
    const tensor = tensorOf(value);
    if (tensor !== null) paths.add(path === '' ? 'tensor' : path, tensor, aside);
    if (tensor !== null && tensor.attributes === null) return;
    if (depth > MAX_DEPTH) throw tooDeep();
    for (const [name, member, beside = false] of parts.of(value, 0).tensors) {
      collect(member, path === '' ? name : `${path}.${name}`, depth + 1, aside || beside);
    }
  };
  collect(root, '', 0, false);
  return { tensors: paths.tensors, aside: paths.aside, metadata: asRecord(root, plain) };
}

function isShard({ global, shape, part }: TensorShard, path: string): CheckpointError {
  return new CheckpointError(
    'unsupported-format',
    `tensor ${JSON.stringify(path)} is a ${global} of shape [${shape.join(', ')}], of which the file holds ${part}; in ` +
      'Python, save the whole: a tensor by its full_tensor(), a model by get_model_state_dict(model, ' +
      'options=StateDictOptions(full_state_dict=True)) of torch.distributed.checkpoint.state_dict',
  );
}

function tooDeep(): CheckpointError {
  return new CheckpointError('limit', `the values nest deeper than ${MAX_DEPTH} levels`);
}

class Paths {
  readonly tensors = new Map<string, StoredTensor>();
  readonly aside = new Set<string>();
  readonly #repeated = new Map<string, number>();
  #room: number;

  constructor(room: number) {
    this.#room = room;
  }

  /** Adds a number to the later of two equal paths (`{ 'a.b': … }` next to `{ a: { b: … } }`). */
  add(path: string, tensor: StoredTensor, aside: boolean): void {
    this.#room -= PATH_COST + path.length;
    if (this.#room < 0 || path.length > MAX_PATH) {
      const shown = JSON.stringify(path.slice(0, 80));
      throw new CheckpointError('limit', `the names of the tensors take too much memory, at ${shown}`);
    }
    let key = path;
    while (this.tensors.has(key)) {
      const count = (this.#repeated.get(path) ?? 1) + 1;
      this.#repeated.set(path, count);
      key = `${path}#${count}`;
    }
    this.tensors.set(key, tensor);
    if (aside) this.aside.add(key);
  }
}

function asRecord(root: Pickled, plain: unknown): Record<string, unknown> {
  if (tensorOf(root) !== null || plain === undefined) return {};
  if (Array.isArray(plain)) return Object.fromEntries(plain.map((value, i) => [String(i), value as unknown]));
  const isRecord = root instanceof PickledDict && typeof plain === 'object';
  return isRecord ? (plain as Record<string, unknown>) : { value: plain };
}

/** Storages that do not belong to a tensor become tensors of one dimension. */
function tensorOf(value: Pickled): StoredTensor | null {
  if (value instanceof StoredTensor) return value;
  if (!(value instanceof StoredStorage)) return null;
  const size = value.length / (isDType(value.dtype) ? itemSize[value.dtype] : 1);
  return new StoredTensor(value.dtype, [size], {
    layout: 'strided',
    storage: value,
    offset: 0,
    strides: [1],
    conjugate: false,
    negative: false,
  });
}

class Separator {
  readonly #done = new Map<Pickled, Parts>();
  readonly #inside = new Set<Pickled>();

  of(value: Pickled, depth: number): Parts {
    if (typeof value !== 'object' || value === null) return { plain: value, tensors: [], others: true };
    const known = this.#done.get(value);
    if (known !== undefined) return known;
    if (value instanceof TensorShard) return { plain: null, tensors: [], others: false };
    const attributes = tensorOf(value)?.attributes;
    if (attributes === null) return { plain: null, tensors: [], others: false };
    if (this.#inside.has(value)) return { plain: '[Circular]', tensors: [], others: true };
    if (depth > MAX_DEPTH) throw tooDeep();
    this.#inside.add(value);
    const parts = this.#separate(value, depth + 1);
    this.#inside.delete(value);
    this.#done.set(value, parts);
    return parts;
  }

  #separate(value: object, depth: number): Parts {
    if (Array.isArray(value)) return this.#list(value as Pickled[], depth);
    if (value instanceof PickledTuple || value instanceof PickledSet) return this.#list(value.items, depth);
    if (value instanceof PickledDict) return this.#dict(value, depth);
    if (value instanceof PickledObject) return this.#object(value, depth);
    if (value instanceof StoredTensor) return this.#attributes(value.attributes!, depth);
    if (value instanceof NumpyArray && value.objects) return this.#objects(value, depth);
    return { plain: plainValue(value), tensors: [], others: true };
  }

  #list(items: readonly Pickled[], depth: number): Parts {
    const plain: unknown[] = [];
    const found: Parts = { plain, tensors: [], others: items.length === 0 };
    // null keeps a tensor's position.
    for (const [i, item] of items.entries()) plain.push(this.#member(found, String(i), item, depth) ?? null);
    return found;
  }

  #dict({ entries }: PickledDict, depth: number): Parts {
    const found: Parts = { plain: null, tensors: [], others: entries === null };
    const plain = new Map<string, unknown>();
    for (const [key, value] of entries ?? []) {
      const name = keyName(key);
      const member = this.#member(found, name, value, depth);
      if (member === undefined) continue;
      // 1 and '1' are two keys.
      let free = name;
      for (let count = 2; plain.has(free); count++) free = `${name}#${count}`;
      plain.set(free, member);
    }
    found.plain = Object.fromEntries(plain);
    return found;
  }

  #object({ global, args, items, entries, state }: PickledObject, depth: number): Parts {
    const found: Parts = { plain: null, tensors: [], others: true };
    const plain: Record<string, unknown> = { global };
    const add = (name: string, value: Pickled, shown: boolean): void => {
      const { plain: member, tensors, others } = this.of(value, depth);
      // Attributes and items are found under their own names, without an intermediate level.
      for (const member of tensors) found.tensors.push(member);
      if (shown && (others || tensors.length === 0)) plain[name] = member;
    };
    add('arguments', args as Pickled[], args.length > 0);
    if (items !== null) add('items', items, true);
    if (entries !== null) add('entries', entries, true);
    if (state !== undefined) {
      const tensor = tensorOf(state);
      if (tensor === null) add('state', state, true);
      else found.tensors.push(['state', state]);
    }
    const parts = modulePartsOf(state);
    if (parts !== null) found.tensors = this.#stateDict(parts, depth);
    found.plain = plain;
    return found;
  }

  /** Members that a module's state dict contains, in its order, followed by those that it leaves out. */
  #stateDict(parts: ModuleParts, depth: number): Member[] {
    const found: Parts = { plain: null, tensors: [], others: false };
    for (const [name, value] of parts.kept) this.#member(found, name, value, depth);
    const kept = found.tensors.splice(0);
    for (const [name, value] of parts.left) this.#member(found, name, value, depth);
    return [...kept, ...found.tensors.map(([name, value]): Member => [name, value, true])];
  }

  #attributes({ global, state }: TensorAttributes, depth: number): Parts {
    const { plain, tensors } = this.of(state, depth);
    const aside = tensors.map(([name, value]): Member => [name, value, true]);
    return { plain: { global, state: plain }, tensors: aside, others: true };
  }

  #objects({ shape, objects }: NumpyArray, depth: number): Parts {
    const { plain, tensors } = this.#list(objects!, depth);
    return { plain: { dtype: 'object', shape: [...shape], data: plain }, tensors, others: true };
  }

  /** Adds a member's tensors to `found`; returns its plain value, or undefined if it holds only tensors. */
  #member(found: Parts, name: string, value: Pickled, depth: number): unknown {
    const tensor = tensorOf(value);
    if (value instanceof TensorShard || tensor?.attributes === null) {
      found.tensors.push([name, value]);
      return undefined;
    }
    const { plain, tensors, others } = this.of(value, depth);
    if (tensor !== null || tensors.length > 0) found.tensors.push([name, value]);
    if (!others) return undefined;
    found.others = true;
    // Python's None is a value like any other.
    return plain;
  }
}

/** Returns the names of dictionary keys: classes by their names, tuples in parentheses. */
function keyName(key: Pickled, depth = 0): string {
  if (key instanceof PickledGlobal) return key.name;
  if (key instanceof PickledObject) return key.global;
  if (key instanceof PickledTuple || key instanceof PickledSet) {
    // Nested tuples may repeat the same tuple exponentially often.
    const few = depth <= 2 && key.items.length <= 64;
    const names = few ? key.items.map((item) => keyName(item, depth + 1).slice(0, 1000)) : ['…'];
    return key instanceof PickledSet ? `{${names.join(', ')}}` : `(${names.join(', ')})`;
  }
  if (key instanceof Uint8Array) return Buffer.from(key).toString('latin1');
  if (key === null) return 'None';
  if (typeof key === 'boolean') return key ? 'True' : 'False';
  if (key instanceof PickledComplex) return `${key.re}${key.im < 0 ? '' : '+'}${key.im}j`;
  if (key instanceof StoredTensor) return 'tensor';
  return typeof key === 'object' ? String(plainValue(key)) : String(key);
}

function plainValue(value: object): unknown {
  if (value instanceof PickledGlobal) {
    // Element types are named as PyTorch prints them.
    return /^torch\.[a-z0-9_]+$/.test(value.name) ? value.name : { global: value.name };
  }
  if (value instanceof PickledComplex) return { re: value.re, im: value.im };
  if (value instanceof NumpyArray) return plainArray(value);
  return value instanceof NumpyType ? `numpy.${value.code}` : value;
}
