import { crc32 } from 'node:zlib';
import { writeAll } from '../../files/atomic-file.js';

const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
const END64_SIZE = 56;
const LOCATOR_SIZE = 20;
const LIMIT32 = 0xffffffff;
const LIMIT16 = 0xffff;
/** PyTorch aligns storages to this, so that they can be mapped. */
const ALIGNMENT = 64;
/** The extra field in which PyTorch puts the padding. */
const PADDING_FIELD = 0x4246;
/** The earliest date in a zip file, so that equal contents give equal files. */
const DATE = 0x21;

interface Entry {
  readonly name: Buffer;
  readonly size: number;
  readonly start: number;
  crc: number;
}

/** Writes a zip file of stored entries sequentially, with zip64 where sizes require it. */
export class ZipWriter {
  readonly #descriptor: number;
  readonly #entries: Entry[] = [];
  #position = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  #write(bytes: Uint8Array): void {
    writeAll(this.#descriptor, bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Adds an entry of `size` bytes, which `fill` passes on in chunks. */
  add(name: string, size: number, fill: (take: (bytes: Uint8Array) => void) => void): void {
    const entry: Entry = { name: Buffer.from(name), size, start: this.#position, crc: 0 };
    this.#write(localHeader(entry));
    const begin = this.#position;
    fill((bytes) => {
      entry.crc = crc32(bytes, entry.crc);
      this.#write(bytes);
    });
    if (this.#position - begin !== size) {
      throw new Error(`entry ${name} got ${this.#position - begin} bytes, but ${size} were expected`);
    }
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(entry.crc);
    writeAll(this.#descriptor, sum, entry.start + 14);
    this.#entries.push(entry);
  }

  addBytes(name: string, bytes: Uint8Array): void {
    this.add(name, bytes.length, (take) => take(bytes));
  }

  finish(): void {
    const start = this.#position;
    for (const entry of this.#entries) this.#write(centralHeader(entry));
    const size = this.#position - start;
    const count = this.#entries.length;
    const large = start >= LIMIT32 || size >= LIMIT32 || count >= LIMIT16;
    if (large) this.#writeEnd64(start, size, count);
    const end = Buffer.alloc(END_SIZE);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(Math.min(count, LIMIT16), 8);
    end.writeUInt16LE(Math.min(count, LIMIT16), 10);
    end.writeUInt32LE(Math.min(size, LIMIT32), 12);
    end.writeUInt32LE(Math.min(start, LIMIT32), 16);
    this.#write(end);
  }

  #writeEnd64(start: number, size: number, count: number): void {
    const position = this.#position;
    const record = Buffer.alloc(END64_SIZE);
    record.writeUInt32LE(0x06064b50, 0);
    record.writeBigUInt64LE(BigInt(END64_SIZE - 12), 4);
    record.writeUInt16LE(45, 12);
    record.writeUInt16LE(45, 14);
    record.writeBigUInt64LE(BigInt(count), 24);
    record.writeBigUInt64LE(BigInt(count), 32);
    record.writeBigUInt64LE(BigInt(size), 40);
    record.writeBigUInt64LE(BigInt(start), 48);
    const locator = Buffer.alloc(LOCATOR_SIZE);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(position), 8);
    locator.writeUInt32LE(1, 16);
    this.#write(record);
    this.#write(locator);
  }
}

/** Returns the zip64 extra field with the values that do not fit; empty if all do. */
function extra64(...values: number[]): Buffer {
  const large = values.filter((value) => value >= LIMIT32);
  if (large.length === 0) return Buffer.alloc(0);
  const field = Buffer.alloc(4 + 8 * large.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * large.length, 2);
  for (const [i, value] of large.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return field;
}

function localHeader({ name, size, start }: Entry): Buffer {
  const sizes = extra64(size, size);
  const unpadded = start + LOCAL_SIZE + name.length + sizes.length + 4;
  const padding = Buffer.alloc(4 + ((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT));
  padding.writeUInt16LE(PADDING_FIELD, 0);
  padding.writeUInt16LE(padding.length - 4, 2);
  const header = Buffer.alloc(LOCAL_SIZE);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(sizes.length > 0 ? 45 : 20, 4);
  header.writeUInt16LE(0x0800, 6);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(Math.min(size, LIMIT32), 18);
  header.writeUInt32LE(Math.min(size, LIMIT32), 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(sizes.length + padding.length, 28);
  return Buffer.concat([header, name, sizes, padding]);
}

function centralHeader({ name, size, start, crc }: Entry): Buffer {
  const extra = extra64(size, size, start);
  const header = Buffer.alloc(CENTRAL_SIZE);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(45, 4);
  header.writeUInt16LE(extra.length > 0 ? 45 : 20, 6);
  header.writeUInt16LE(0x0800, 8);
  header.writeUInt16LE(DATE, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(size, LIMIT32), 20);
  header.writeUInt32LE(Math.min(size, LIMIT32), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(Math.min(start, LIMIT32), 42);
  return Buffer.concat([header, name, extra]);
}
