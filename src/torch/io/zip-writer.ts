import { crc32 } from 'node:zlib';
import { writeAll } from '../../files/atomic-file.js';

const LOCAL_SIZE = 30;
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
    writeAll(this.#descriptor, u32(entry.crc), entry.start + 14);
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
    const shown = Math.min(count, LIMIT16);
    const place = u32(Math.min(size, LIMIT32), Math.min(start, LIMIT32));
    this.#write(Buffer.concat([u32(0x06054b50), u16(0, 0, shown, shown), place, u16(0)]));
  }

  #writeEnd64(start: number, size: number, count: number): void {
    const position = this.#position;
    const sizes = u64(count, count, size, start);
    this.#write(Buffer.concat([u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), sizes]));
    this.#write(Buffer.concat([u32(0x07064b50, 0), u64(position), u32(1)]));
  }
}

/** Returns a function that writes numbers one after the other, each in so many bytes, the lowest first. */
function integers(bytes: 2 | 4 | 8): (...values: readonly number[]) => Buffer {
  return (...values) => {
    const result = Buffer.alloc(bytes * values.length);
    for (const [i, value] of values.entries()) {
      if (bytes === 8) result.writeBigUInt64LE(BigInt(value), 8 * i);
      else result.writeUIntLE(value, bytes * i, bytes);
    }
    return result;
  };
}

const [u16, u32, u64] = [integers(2), integers(4), integers(8)];

/** Returns the zip64 extra field with the values that do not fit; empty if all do. */
function extra64(...values: number[]): Buffer {
  const large = values.filter((value) => value >= LIMIT32);
  if (large.length === 0) return Buffer.alloc(0);
  return Buffer.concat([u16(1, 8 * large.length), u64(...large)]);
}

/** Returns what both headers say of an entry: version, flags, method, time, date, sum and sizes. */
function commonFields({ size, crc }: Entry, extra: Buffer): Buffer {
  const shown = Math.min(size, LIMIT32);
  return Buffer.concat([u16(extra.length > 0 ? 45 : 20, 0x0800, 0, 0, DATE), u32(crc, shown, shown)]);
}

function localHeader(entry: Entry): Buffer {
  const { name, size, start } = entry;
  const sizes = extra64(size, size);
  const unpadded = start + LOCAL_SIZE + name.length + sizes.length + 4;
  const padding = Buffer.alloc((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT);
  const extra = Buffer.concat([sizes, u16(PADDING_FIELD, padding.length), padding]);
  const lengths = u16(name.length, extra.length);
  return Buffer.concat([u32(0x04034b50), commonFields(entry, sizes), lengths, name, extra]);
}

function centralHeader(entry: Entry): Buffer {
  const { name, size, start } = entry;
  const extra = extra64(size, size, start);
  const lengths = u16(name.length, extra.length, 0, 0, 0);
  const place = u32(0, Math.min(start, LIMIT32));
  const head = [u32(0x02014b50), u16(45), commonFields(entry, extra), lengths, place];
  return Buffer.concat([...head, name, extra]);
}
