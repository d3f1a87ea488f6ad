/** Entries of a packed folder's images: records of one length, and names that are read on demand. */
import { closeSync, readSync } from 'node:fs';
import { decodeName, systemPath } from '../../files/file-names.js';
import { itemAt } from '../checks.js';
import type { Digests } from '../digests.js';
import { ShardWriter, type PackedFile } from './shard-writer.js';

/** Image in the index of a packed folder of version 1. */
export interface PackedEntry {
  name: string;
  hash: string;
  shard: number;
  /** Byte offset in the shard of its pixels [height, width, 3], followed by its maps, [height, width] each. */
  offset: number;
  width: number;
  height: number;
  label?: number;
  /** Always held out, as fixed by the dataset's author. */
  heldOut?: true;
  /** CRC-32 of its pixels and maps; folders of version 1 have none. */
  checksum?: number;
}

/** Place and properties of an image's pixels. */
export type PackedPlace = Omit<PackedEntry, 'name' | 'hash'>;

/** Images of a packed folder, by index. */
export interface PackedEntries {
  readonly length: number;
  name(index: number): string;
  hash(index: number): string;
  label(index: number): number | undefined;
  place(index: number): PackedPlace;
  /** The hashes as bytes; undefined if there are only strings. */
  readonly digests?: Digests;
  close(): void;
}

/** Images of a folder of version 1, which lists them in its index. */
export class ListedEntries implements PackedEntries {
  readonly #images: readonly PackedEntry[];

  constructor(images: readonly PackedEntry[]) {
    this.#images = images;
  }

  get length(): number {
    return this.#images.length;
  }

  name(index: number): string {
    return this.place(index).name;
  }

  hash(index: number): string {
    return this.place(index).hash;
  }

  label(index: number): number | undefined {
    return this.place(index).label;
  }

  place(index: number): PackedEntry {
    return itemAt(this.#images, index);
  }

  close(): void {}
}

/**
 * Length of a record in bytes. Its fields, little-endian: hash (32 bytes), offset (6), shard (2), width (2), height (2),
 * 1 if held out or else 0 (4), label or -1 (4), CRC-32 (4), offset of the name (6) and its length in bytes (2). The
 * records of a million images take 64 MB, in one block into which the garbage collector does not look.
 */
export const recordBytes = 64;

/** Offsets of the fields after the hash. */
const at = {
  offset: 32,
  shard: 38,
  width: 40,
  height: 42,
  heldOut: 44,
  label: 48,
  checksum: 52,
  name: 56,
  nameLength: 62,
} as const;

/** Images of a folder of version 2: records in memory, names in a file. */
export class RecordedEntries implements PackedEntries {
  readonly length: number;
  readonly digests: Digests;
  readonly #records: Buffer;
  /** The same bytes: calls of a view are compiled to loads, those of a buffer are not. */
  readonly #view: DataView;
  #names: number | null;

  /** Takes the bytes of the records, and the descriptor of the open file of the names, which `close` closes. */
  constructor(records: Uint8Array, names: number) {
    this.#records = Buffer.from(records.buffer, records.byteOffset, records.length);
    this.#view = new DataView(records.buffer, records.byteOffset, records.length);
    this.digests = { bytes: this.#records, stride: recordBytes };
    this.length = Math.floor(records.length / recordBytes);
    this.#names = names;
  }

  name(index: number): string {
    const from = this.#from(index);
    const bytes = Buffer.alloc(this.#records.readUInt16LE(from + at.nameLength));
    if (this.#names === null) throw new Error('these packed images are closed');
    const read = readSync(this.#names, bytes, 0, bytes.length, this.#records.readUIntLE(from + at.name, 6));
    return decodeName(bytes.subarray(0, read));
  }

  hash(index: number): string {
    const from = this.#from(index);
    return this.#records.toString('hex', from, from + at.offset);
  }

  label(index: number): number | undefined {
    const label = this.#view.getInt32(this.#from(index) + at.label, true);
    return label >= 0 ? label : undefined;
  }

  place(index: number): PackedPlace {
    const from = this.#from(index);
    const view = this.#view;
    const label = view.getInt32(from + at.label, true);
    const place: PackedPlace = {
      offset: view.getUint32(from + at.offset, true) + 2 ** 32 * view.getUint16(from + at.offset + 4, true),
      shard: view.getUint16(from + at.shard, true),
      width: view.getUint16(from + at.width, true),
      height: view.getUint16(from + at.height, true),
      checksum: view.getUint32(from + at.checksum, true),
    };
    if (label >= 0) place.label = label;
    if (view.getUint32(from + at.heldOut, true) === 1) place.heldOut = true;
    return place;
  }

  close(): void {
    if (this.#names !== null) closeSync(this.#names);
    this.#names = null;
  }

  #from(index: number): number {
    if (index >= 0 && index < this.length) return index * recordBytes;
    throw new RangeError(`image index ${index} is out of range for ${this.length} images`);
  }
}

/** Writes records and names as images come, so that memory does not grow with their number. */
export class EntryWriter {
  readonly #records: ShardWriter;
  readonly #names: ShardWriter;
  #waiting: { record: Buffer; name: Buffer }[] = [];
  #nameBytes = 0;

  constructor(folder: string) {
    this.#records = new ShardWriter(folder, () => 'records.bin');
    this.#names = new ShardWriter(folder, () => 'names.bin');
  }

  /** @throws RangeError for a hash that is not a SHA-256, or a number that does not fit its field */
  async add(entry: PackedEntry & { checksum: number }): Promise<void> {
    const name = Buffer.from(systemPath(entry.name));
    const record = Buffer.alloc(recordBytes);
    if (!/^[0-9a-f]{64}$/.test(entry.hash)) {
      throw new RangeError(`the hash of ${entry.name} must be a SHA-256 in hexadecimal, got ${entry.hash}`);
    }
    record.write(entry.hash, 'hex');
    record.writeUIntLE(entry.offset, at.offset, 6);
    record.writeUInt16LE(entry.shard, at.shard);
    record.writeUInt16LE(entry.width, at.width);
    record.writeUInt16LE(entry.height, at.height);
    record.writeUInt32LE(entry.heldOut ? 1 : 0, at.heldOut);
    record.writeInt32LE(entry.label ?? -1, at.label);
    record.writeUInt32LE(entry.checksum, at.checksum);
    record.writeUIntLE(this.#nameBytes, at.name, 6);
    record.writeUInt16LE(name.length, at.nameLength);
    this.#waiting.push({ record, name });
    this.#nameBytes += name.length;
    if (this.#waiting.length === 4096) await this.#flush();
  }

  /** Writes the rest, closes both files and describes them. */
  async close(): Promise<{ records: PackedFile; names: PackedFile }> {
    try {
      await this.#flush();
    } finally {
      await Promise.all([this.#records.close(), this.#names.close()]);
    }
    return { records: this.#records.shards[0]!, names: this.#names.shards[0]! };
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    await this.#records.write(Buffer.concat(waiting.map(({ record }) => record)));
    await this.#names.write(Buffer.concat(waiting.map(({ name }) => name)));
  }
}
