/** Small zip files, right ones and wrong ones. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipPart {
  name: string;
  bytes: Buffer;
  deflated?: boolean;
  /** Deviations from what would be right. */
  crc?: number;
  size?: number;
  start?: number;
}

const packings = new WeakMap<Buffer, Buffer>();

/** Bombs take a while to pack, so each is packed once. */
function deflated(bytes: Buffer): Buffer {
  let packed = packings.get(bytes);
  if (packed === undefined) packings.set(bytes, (packed = deflateRawSync(bytes, { level: 9 })));
  return packed;
}

/** A zip file of these entries, right unless told otherwise. */
export function zipOf(parts: readonly ZipPart[]): Buffer {
  const chunks: Buffer[] = [];
  const central: Buffer[] = [];
  let position = 0;
  for (const part of parts) {
    const name = Buffer.from(part.name);
    const packed = part.deflated ? deflated(part.bytes) : part.bytes;
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE(part.deflated ? 8 : 0, 10);
    header.writeUInt32LE(part.crc ?? crc32(part.bytes), 16);
    header.writeUInt32LE(part.deflated ? packed.length : (part.size ?? packed.length), 20);
    header.writeUInt32LE(part.size ?? part.bytes.length, 24);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt32LE(part.start ?? position, 42);
    central.push(header, name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    header.copy(local, 8, 10, 12);
    header.copy(local, 14, 16, 30);
    chunks.push(local, name, packed);
    position += 30 + name.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...chunks, directory, end]);
}

/** Entries of a small, sound zip file of stored entries. */
export function partsOf(zip: Buffer): ZipPart[] {
  const parts: ZipPart[] = [];
  let at = zip.readUInt32LE(zip.length - 22 + 16);
  for (let i = 0; i < zip.readUInt16LE(zip.length - 22 + 10); i++) {
    const length = zip.readUInt16LE(at + 28);
    const start = zip.readUInt32LE(at + 42);
    const size = zip.readUInt32LE(at + 24);
    const begin = start + 30 + zip.readUInt16LE(start + 26) + zip.readUInt16LE(start + 28);
    parts.push({
      name: zip.toString('utf8', at + 46, at + 46 + length),
      bytes: zip.subarray(begin, begin + size),
    });
    at += 46 + length + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return parts;
}
