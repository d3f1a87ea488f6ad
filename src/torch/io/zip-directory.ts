/**
 * The directory of a zip file, read by position (PKWARE's APPNOTE 6.3.10): no entry is read before it is requested.
 * Accepts only what PyTorch writes: one disk, no encryption, no two entries on the same bytes.
 */
import { fail } from './checkpoint-error.js';

const END = 0x06054b50;
const END_SIZE = 22;
const MAX_COMMENT = 0xffff;
const LOCATOR = 0x07064b50;
const LOCATOR_SIZE = 20;
const END64 = 0x06064b50;
const END64_SIZE = 56;
const CENTRAL = 0x02014b50;
const CENTRAL_SIZE = 46;
const LOCAL = 0x04034b50;
const LOCAL_SIZE = 30;
const ZIP64_FIELD = 1;
const NONE32 = 0xffffffff;
const NONE16 = 0xffff;
/** Largest directory: a million entries with long names. */
const MAX_DIRECTORY = 128 * 2 ** 20;

export type ReadAt = (bytes: Uint8Array, position: number) => void;

export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc: number;
  /** Bytes in the file, and unpacked. */
  readonly packedSize: number;
  readonly size: number;
  /** Position of the local header, and the earliest position of whatever follows the entry. */
  readonly start: number;
  readonly limit: number;
}

function severalParts(where: string): never {
  return fail('zip', `${where}: multi-part zip files are not supported`);
}

/** Reads the directory; no two entries may share bytes. */
export function readZipDirectory(read: ReadAt, fileSize: number): Map<string, ZipEntry> {
  const { start, size, count } = findDirectory(read, fileSize);
  if (size > MAX_DIRECTORY || size > fileSize) fail('limit', `the zip directory claims ${size} bytes`);
  if (start + size > fileSize) fail('zip', `the zip directory at byte ${start} ends outside the file`);
  if (count * CENTRAL_SIZE > size) fail('zip', `${count} zip entries do not fit into ${size} bytes`);
  const bytes = Buffer.allocUnsafe(size);
  read(bytes, start);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const [entry, next] = readCentral(bytes, at, start, i);
    entries.push(entry);
    at = next;
  }
  if (at !== size) fail('zip', `the zip directory has ${size - at} bytes too many, from byte ${start + at}`);
  return byName(withLimits(entries, start));
}

function withLimits(entries: ZipEntry[], directory: number): ZipEntry[] {
  const ordered = entries.toSorted((a, b) => a.start - b.start);
  return ordered.map((entry, i) => {
    const limit = ordered[i + 1]?.start ?? directory;
    const least = entry.start + LOCAL_SIZE + Buffer.byteLength(entry.name) + entry.packedSize;
    if (least > limit) {
      const other = ordered[i + 1]?.name;
      const what = other === undefined ? 'the directory' : `entry ${shown(other)}`;
      fail('zip', `zip entry ${shown(entry.name)} at byte ${entry.start} overlaps ${what} at byte ${limit}`);
    }
    return { ...entry, limit };
  });
}

function byName(entries: readonly ZipEntry[]): Map<string, ZipEntry> {
  const found = new Map<string, ZipEntry>();
  for (const entry of entries) {
    if (found.has(entry.name)) fail('duplicate-key', `zip entry ${shown(entry.name)} appears twice`);
    found.set(entry.name, entry);
  }
  return found;
}

interface Directory {
  start: number;
  size: number;
  count: number;
}

function findDirectory(read: ReadAt, fileSize: number): Directory {
  const length = Math.min(fileSize, END_SIZE + MAX_COMMENT);
  const tail = Buffer.allocUnsafe(length);
  read(tail, fileSize - length);
  let at = length - END_SIZE;
  // The comment after the record must reach exactly to the end of the file.
  while (at >= 0 && (tail.readUInt32LE(at) !== END || at + END_SIZE + tail.readUInt16LE(at + 20) !== length))
    at--;
  if (at < 0) fail('truncated', 'the zip file has no directory at its end; is the copy complete?');
  const position = fileSize - length + at;
  const [disk, firstDisk, here, count] = [4, 6, 8, 10].map((field) => tail.readUInt16LE(at + field));
  const directory = {
    start: tail.readUInt32LE(at + 16),
    size: tail.readUInt32LE(at + 12),
    count: count as number,
  };
  const found = findDirectory64(read, position) ?? directory;
  if (found === directory) {
    if (disk !== 0 || firstDisk !== 0 || here !== count) severalParts(`end record at byte ${position}`);
    if (directory.start + directory.size !== position) {
      fail('zip', `the zip directory does not end where its end record starts, at byte ${position}`);
    }
  }
  return found;
}

/** The larger record before the end record, in files beyond 4 GB or 65,535 entries. */
function findDirectory64(read: ReadAt, endRecord: number): Directory | null {
  if (endRecord < LOCATOR_SIZE + END64_SIZE) return null;
  const locator = Buffer.allocUnsafe(LOCATOR_SIZE);
  read(locator, endRecord - LOCATOR_SIZE);
  if (locator.readUInt32LE(0) !== LOCATOR) return null;
  const position = safe(
    locator.readBigUInt64LE(8),
    `the position of the zip64 end record, at byte ${endRecord - LOCATOR_SIZE},`,
  );
  if (position + END64_SIZE > endRecord - LOCATOR_SIZE) {
    fail('zip', `the zip64 end record would be at byte ${position}, which is out of range`);
  }
  const record = Buffer.allocUnsafe(END64_SIZE);
  read(record, position);
  if (record.readUInt32LE(0) !== END64) fail('zip', `no zip64 end record at byte ${position}`);
  if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0)
    severalParts(`zip64 end record at byte ${position}`);
  const directory = {
    count: safe(record.readBigUInt64LE(32), `the number of entries in the record at byte ${position}`),
    size: safe(record.readBigUInt64LE(40), `the directory's size in the record at byte ${position}`),
    start: safe(record.readBigUInt64LE(48), `the directory's position in the record at byte ${position}`),
  };
  if (directory.start + directory.size !== position) {
    fail('zip', `the zip directory does not end where its end record starts, at byte ${position}`);
  }
  return directory;
}

function readCentral(bytes: Buffer, at: number, base: number, index: number): [ZipEntry, number] {
  const where = `zip directory entry ${index} at byte ${base + at}`;
  if (at + CENTRAL_SIZE > bytes.length || bytes.readUInt32LE(at) !== CENTRAL)
    fail('zip', `${where} is damaged`);
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
    bytes.readUInt16LE(at + field),
  ) as [number, number, number];
  const nameStart = at + CENTRAL_SIZE;
  const extraStart = nameStart + nameLength;
  const next = extraStart + extraLength + commentLength;
  if (next > bytes.length) fail('zip', `${where} is damaged`);
  const name = bytes.toString('utf8', nameStart, extraStart);
  const flags = bytes.readUInt16LE(at + 8);
  const method = bytes.readUInt16LE(at + 10);
  if (flags & 1) fail('zip', `zip entry ${shown(name)} is encrypted`);
  if (method !== 0 && method !== 8)
    fail('zip', `zip entry ${shown(name)} is compressed with the unknown method ${method}`);
  const sizes = readZip64(
    bytes.subarray(extraStart, extraStart + extraLength),
    {
      size: bytes.readUInt32LE(at + 24),
      packedSize: bytes.readUInt32LE(at + 20),
      start: bytes.readUInt32LE(at + 42),
      disk: bytes.readUInt16LE(at + 34),
    },
    where,
  );
  if (sizes.disk !== 0) severalParts(where);
  if (method === 0 && sizes.size !== sizes.packedSize) {
    fail(
      'zip',
      `zip entry ${shown(name)} is not compressed, but has two sizes: ${sizes.size} and ${sizes.packedSize}`,
    );
  }
  const { size, packedSize, start } = sizes;
  const crc = bytes.readUInt32LE(at + 16);
  return [{ name, deflated: method === 8, crc, size, packedSize, start, limit: 0 }, next];
}

interface Sizes {
  size: number;
  packedSize: number;
  start: number;
  disk: number;
}

/** Values that do not fit into their fields follow in the extra field, in this order, each only if needed. */
function readZip64(extra: Buffer, sizes: Sizes, where: string): Sizes {
  const found = { ...sizes };
  for (let at = 0; at + 4 <= extra.length;) {
    const id = extra.readUInt16LE(at);
    const length = extra.readUInt16LE(at + 2);
    const field = extra.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    if (id !== ZIP64_FIELD) continue;
    let next = 0;
    for (const name of ['size', 'packedSize', 'start'] as const) {
      if (found[name] !== NONE32) continue;
      if (next + 8 > field.length) fail('zip', `${where} lacks its 64-bit ${name}`);
      found[name] = safe(field.readBigUInt64LE(next), `the ${name} of ${where}`);
      next += 8;
    }
    if (found.disk === NONE16 && next + 4 <= field.length) found.disk = field.readUInt32LE(next);
    break;
  }
  return found;
}

function safe(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail('zip', `${what} is ${value}`);
  return Number(value);
}

/** Returns the position of an entry's bytes, after its local header, which must agree with the directory. */
export function dataPosition(read: ReadAt, entry: ZipEntry): number {
  const where = `zip entry ${shown(entry.name)} at byte ${entry.start}`;
  const header = Buffer.allocUnsafe(LOCAL_SIZE);
  read(header, entry.start);
  if (header.readUInt32LE(0) !== LOCAL) fail('zip', `${where} has no local header`);
  const nameLength = header.readUInt16LE(26);
  if (nameLength !== Buffer.byteLength(entry.name))
    fail('zip', `${where} has a different name in its local header`);
  const name = Buffer.allocUnsafe(nameLength);
  read(name, entry.start + LOCAL_SIZE);
  const method = entry.deflated ? 8 : 0;
  if (name.toString('utf8') !== entry.name || header.readUInt16LE(8) !== method) {
    fail('zip', `${where} differs between its local header and the directory`);
  }
  const position = entry.start + LOCAL_SIZE + nameLength + header.readUInt16LE(28);
  if (position + entry.packedSize > entry.limit) {
    fail('zip', `${where} overlaps what follows it at byte ${entry.limit}`);
  }
  return position;
}

export function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
