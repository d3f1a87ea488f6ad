import { InThread } from '../core/in-thread.js';
import { itemSize, type DType } from '../core/dtype.js';
import { ArgumentError } from '../core/errors.js';
import { groupBy } from '../core/group-by.js';
import type { Tensor } from '../core/tensor.js';

/** The information about a tensor that is available without reading it. */
export interface CheckpointTensorInfo {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The source from which {@link LazyTensors} reads its tensors. */
export interface TensorReader {
  info(key: string): CheckpointTensorInfo;
  /** Reads a new tensor, in the current scope. */
  read(key: string): Tensor;
  /** Reads several tensors at once; tensors that share storage in the file share it here. */
  readMany(keys: readonly string[]): Tensor[];
  /** Fills a contiguous CPU tensor of the entry's shape and dtype. */
  readInto(key: string, target: Tensor): void;
  /** Returns equal values for two keys of the same tensor; undefined if that is unknown. */
  identity?(key: string): string | undefined;
}

// The type of a map's iterators under the name that the compiler has for it: TypeScript below 5.6 has no MapIterator.
/** Iterates over names of tensors. */
export type KeyIterator = ReturnType<ReadonlyMap<string, Tensor>['keys']>;
/** Iterates over tensors. */
export type TensorIterator = ReturnType<ReadonlyMap<string, Tensor>['values']>;
/** Iterates over names with their tensors. */
export type EntryIterator = ReturnType<ReadonlyMap<string, Tensor>['entries']>;

/** A map whose tensors are read on demand; their shapes and dtypes are known in advance. */
export interface LazyTensorMap extends ReadonlyMap<string, Tensor> {
  info(key: string): CheckpointTensorInfo | undefined;
  identity?(key: string): string | undefined;
}

export function isLazyMap(value: unknown): value is LazyTensorMap {
  return typeof value === 'object' && value !== null && 'info' in value && 'get' in value && 'keys' in value;
}

/** Returns the bytes of a tensor. */
export const bytesOf = ({ shape, dtype }: CheckpointTensorInfo): number =>
  shape.reduce((product, size) => product * size, itemSize[dtype]);

/** Returns a reader that reads as another one, and tells the bytes of each tensor. */
function watched(reader: TensorReader, onRead: (bytes: number) => void): TensorReader {
  const tell = (key: string): void => onRead(bytesOf(reader.info(key)));
  return {
    info: (key) => reader.info(key),
    read: (key) => {
      const tensor = reader.read(key);
      tell(key);
      return tensor;
    },
    readMany: (keys) => {
      const tensors = reader.readMany(keys);
      for (const key of keys) tell(key);
      return tensors;
    },
    readInto: (key, target) => {
      reader.readInto(key, target);
      tell(key);
    },
    identity: (key) => reader.identity?.(key),
  };
}

/** Returns a reader of the tensors of several files: each is read from the one that `ownerOf` returns. */
export function readerOf(ownerOf: (key: string) => LazyTensors): TensorReader {
  return {
    info: (key) => ownerOf(key).info(key)!,
    read: (key) => ownerOf(key).get(key)!,
    readMany: (keys) => {
      const groups = [...groupBy(keys, ownerOf)];
      const read = new Map(groups.flatMap(([owner, own]) => [...owner.getMany(own)]));
      return keys.map((key) => read.get(key)!);
    },
    readInto: (key, target) => ownerOf(key).readInto(key, target),
    identity: (key) => ownerOf(key).identity(key),
  };
}

let readers = 0;
const readerNumbers = new WeakMap<TensorReader, number>();

/**
 * A read-only Map of tensors in a file. Keys, shapes and dtypes are known; every `get` reads the file and returns
 * a new ordinary tensor in the current scope. Iterating reads one tensor at a time.
 *
 * @example
 * ```ts
 * const { tensors, close } = await loadCheckpoint('weights.safetensors');
 * for (const key of tensors.keys()) console.log(key, tensors.info(key)?.shape); // reads no tensor
 * const decoder = tensors.below('decoder.'); // still reads none
 * close();
 * ```
 */
export class LazyTensors extends InThread implements LazyTensorMap {
  /** Maps a key here to the reader's key. */
  readonly #keys: ReadonlyMap<string, string>;
  readonly #reader: TensorReader;

  constructor(reader: TensorReader, keys: ReadonlyMap<string, string>) {
    super('an open checkpoint', 'open it in each thread; keys() and info() are plain data');
    this.#reader = reader;
    this.#keys = keys;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** True if there is a tensor of this name. Reads nothing. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Returns the names in the file's order. Reads nothing. */
  keys(): KeyIterator {
    return this.#keys.keys();
  }

  /** Returns the shape and dtype; undefined for an unknown key. Reads nothing. */
  info(key: string): CheckpointTensorInfo | undefined {
    const inner = this.#keys.get(key);
    return inner === undefined ? undefined : this.#reader.info(inner);
  }

  /** Reads a tensor; undefined for an unknown key. */
  get(key: string): Tensor | undefined {
    const inner = this.#keys.get(key);
    return inner === undefined ? undefined : this.#reader.read(inner);
  }

  /** Reads several tensors; views of one storage in the file become views of one storage. Unknown keys are left out. */
  getMany(keys: Iterable<string>): Map<string, Tensor> {
    const known = [...keys].filter((key) => this.#keys.has(key));
    const tensors = this.#reader.readMany(known.map((key) => this.#keys.get(key) as string));
    return new Map(known.map((key, i) => [key, tensors[i] as Tensor]));
  }

  /** Fills a contiguous CPU tensor of the entry's shape and dtype, without an intermediate copy. */
  readInto(key: string, target: Tensor): void {
    this.#reader.readInto(this.#keys.get(key) as string, target);
  }

  /** Returns equal values for keys that name the same tensor of the same file. */
  identity(key: string): string | undefined {
    const inner = this.#keys.get(key);
    const identity = inner === undefined ? undefined : this.#reader.identity?.(inner);
    if (identity === undefined) return undefined;
    let number = readerNumbers.get(this.#reader);
    if (number === undefined) readerNumbers.set(this.#reader, (number = readers++));
    return `${number} ${identity}`;
  }

  /**
   * Returns the tensors under the keys that `rename` returns; those for which it returns null are left out. Reads
   * nothing.
   */
  renamed(rename: (key: string) => string | null): LazyTensors {
    const keys = new Map<string, string>();
    for (const [key, inner] of this.#keys) {
      const name = rename(key);
      if (name === null) continue;
      if (keys.has(name))
        throw new ArgumentError(`two tensors would have the same name ${JSON.stringify(name)}`);
      keys.set(name, inner);
    }
    return new LazyTensors(this.#reader, keys);
  }

  /** Returns the tensors below a prefix such as `model.`, which is removed from their names. */
  below(prefix: string): LazyTensors {
    return this.renamed((key) =>
      key.startsWith(prefix) && key !== prefix ? key.slice(prefix.length) : null,
    );
  }

  /** Returns the tensors whose keys start with none of the prefixes. */
  without(...prefixes: readonly string[]): LazyTensors {
    return this.renamed((key) => (prefixes.some((prefix) => key.startsWith(prefix)) ? null : key));
  }

  /** Returns the same tensors; each that is read is told by its bytes. */
  watched(onRead: (bytes: number) => void): LazyTensors {
    return new LazyTensors(watched(this.#reader, onRead), this.#keys);
  }

  /** Returns the same keys; a tensor that `other` has, too, is read from there. Reads nothing. */
  overlaidBy(other: LazyTensors): LazyTensors {
    const reader = readerOf((key) => (other.has(key) ? other : this));
    return new LazyTensors(reader, new Map([...this.keys()].map((key) => [key, key])));
  }

  /** Iterates over the tensors, reading one at a time. */
  *values(): TensorIterator {
    for (const key of this.#keys.keys()) yield this.get(key) as Tensor;
  }

  /** Iterates over names and tensors, reading one at a time. */
  *entries(): EntryIterator {
    for (const key of this.#keys.keys()) yield [key, this.get(key) as Tensor];
  }

  /** Iterates over names and tensors, reading one at a time. */
  [Symbol.iterator](): EntryIterator {
    return this.entries();
  }

  /** Calls `fn` with each tensor, its name and this map, reading one at a time. */
  forEach(fn: (value: Tensor, key: string, map: ReadonlyMap<string, Tensor>) => void, self?: unknown): void {
    for (const [key, tensor] of this.entries()) fn.call(self, tensor, key, this);
  }
}
