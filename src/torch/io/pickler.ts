/** Writes pickles of protocol 2 that hold plain values and tensors, which `torch.load(weights_only=True)` accepts. */
import { isPlain } from '../core/overload.js';
import { ArgumentError } from '../core/errors.js';

export interface PickledTensorRecord {
  readonly key: string;
  /** Name of torch's storage class; null for dtypes without one. */
  readonly storageClass: string | null;
  readonly dtype: string;
  /** Elements of the storage (bytes if it has no class). */
  readonly count: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Returns the record of a value that is a tensor; null for any other value. */
export type RecordOf = (value: unknown) => PickledTensorRecord | null;

const MAX_DEPTH = 200;

export function pickle(value: unknown, recordOf: RecordOf): Uint8Array {
  const writer = new Writer(recordOf);
  writer.bytes(0x80, 2);
  writer.value(value, [], 0);
  writer.text('.');
  return writer.finish();
}

class Writer {
  readonly #parts: Uint8Array[] = [];
  readonly #recordOf: RecordOf;

  constructor(recordOf: RecordOf) {
    this.#recordOf = recordOf;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  bytes(...bytes: number[]): void {
    this.#parts.push(Uint8Array.from(bytes));
  }

  text(text: string): void {
    this.#parts.push(Buffer.from(text, 'latin1'));
  }

  value(value: unknown, path: readonly string[], depth: number): void {
    if (depth > MAX_DEPTH) throw new ArgumentError(`${shown(path)} nests too deeply, or contains itself`);
    if (value === null) return this.text('N');
    if (typeof value === 'boolean') return this.bytes(value ? 0x88 : 0x89);
    if (typeof value === 'number') return this.#number(value);
    if (typeof value === 'bigint') return this.#bigint(value);
    if (typeof value === 'string') return this.#string(value);
    if (value instanceof Uint8Array) return this.#bytesValue(value);
    if (ArrayBuffer.isView(value)) return this.#list([...(value as Float64Array)], path, depth);
    if (Array.isArray(value)) return this.#list(value, path, depth);
    if (typeof value === 'object') {
      const record = this.#recordOf(value);
      if (record !== null) return this.#tensor(record);
      const isMap = Symbol.iterator in value && 'entries' in value && !(value instanceof Set);
      if (isMap) return this.#dict([...(value as ReadonlyMap<unknown, unknown>).entries()], path, depth);
      if (value instanceof Set) return this.#list([...value], path, depth);
      if (isPlain(value)) return this.#dict(Object.entries(value), path, depth);
    }
    throw new ArgumentError(
      `${shown(path)} is ${typeof value === 'object' ? `a ${value.constructor.name}` : `of type ${typeof value}`}; ` +
        'a checkpoint can hold tensors, numbers, strings, booleans, null, bytes, and arrays, objects and Maps of these',
    );
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const bytes = Buffer.alloc(9, 'G');
      bytes.writeDoubleBE(value, 1);
      this.#parts.push(bytes);
    } else if (value >= 0 && value < 256) {
      this.bytes(0x4b, value);
    } else if (value === (value | 0)) {
      const bytes = Buffer.alloc(5, 'J');
      bytes.writeInt32LE(value, 1);
      this.#parts.push(bytes);
    } else {
      this.#bigint(BigInt(value));
    }
  }

  #bigint(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(8 * length, value) !== value) length++;
    if (length > 255) throw new ArgumentError('an integer has more than 255 bytes');
    const hex = BigInt.asUintN(8 * length, value)
      .toString(16)
      .padStart(2 * length, '0');
    this.bytes(0x8a, length);
    this.#parts.push(Buffer.from(hex, 'hex').reverse());
  }

  #string(value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    const header = Buffer.alloc(5, 'X');
    header.writeUInt32LE(bytes.length, 1);
    this.#parts.push(header, bytes);
  }

  /** Writes bytes as text and a call that readers know, as Python does: protocol 2 has no bytes. */
  #bytesValue(value: Uint8Array): void {
    this.#global('_codecs', 'encode');
    this.#string(Buffer.from(value).toString('latin1'));
    this.#string('latin1');
    this.bytes(0x86, 0x52);
  }

  #list(items: readonly unknown[], path: readonly string[], depth: number): void {
    this.text('](');
    for (const [i, item] of items.entries()) this.value(item, [...path, String(i)], depth + 1);
    this.text('e');
  }

  #dict(entries: readonly (readonly [unknown, unknown])[], path: readonly string[], depth: number): void {
    this.text('}(');
    for (const [key, item] of entries) {
      if (item === undefined) continue;
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new ArgumentError(`${shown(path)} has a key that is not a string or number`);
      }
      this.value(key, path, depth);
      this.value(item, [...path, String(key)], depth + 1);
    }
    this.text('u');
  }

  #global(module: string, name: string): void {
    this.text(`c${module}\n${name}\n`);
  }

  #sizes(sizes: readonly number[]): void {
    this.text('(');
    for (const size of sizes) this.#number(size);
    this.text('t');
  }

  #tensor({ key, storageClass, dtype, count, offset, shape, strides }: PickledTensorRecord): void {
    this.#global('torch._utils', storageClass === null ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2');
    this.text('((');
    this.#string('storage');
    if (storageClass === null) this.#global('torch.storage', 'UntypedStorage');
    else this.#global('torch', storageClass);
    this.#string(key);
    this.#string('cpu');
    this.#number(count);
    this.text('tQ');
    this.#number(offset);
    this.#sizes(shape);
    this.#sizes(strides);
    // requires_grad is false, and there are no hooks.
    this.bytes(0x89);
    this.#global('collections', 'OrderedDict');
    this.text(')R');
    if (storageClass === null) this.#global('torch', dtype);
    this.text('tR');
  }
}

function shown(path: readonly string[]): string {
  return path.length === 0 ? 'the value' : JSON.stringify(path.slice(0, 12).join('.'));
}
