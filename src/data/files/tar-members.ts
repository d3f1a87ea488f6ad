/** Reads the members of a tar archive: POSIX (pax), GNU and old ones. */
import { open, type FileHandle } from 'node:fs/promises';
import { decodeName, systemPath } from '../../files/file-names.js';
import { ImageDataError, unreadable } from '../image-error.js';

/** A file in an archive. */
export interface TarMember {
  name: string;
  /** Position of its bytes in the archive, and their number. */
  offset: number;
  bytes: number;
}

const block = 512;

/** Bytes that are read at once: many small members, or the header of a large one. */
const windowBytes = 2 ** 17;

/** Longest extended header: it has the path of a member. */
const longestNames = 2 ** 16;

/** A tar archive, read by position. */
export class TarFile {
  readonly path: string;
  readonly #file: FileHandle;
  #size: number;
  #window: { from: number; bytes: Buffer } = { from: 0, bytes: Buffer.alloc(0) };

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.#size = size;
  }

  /** Opens an archive. @throws ImageDataError if there is none */
  static async open(path: string): Promise<TarFile> {
    const reasons = { ENOENT: 'the archive does not exist' };
    const file = await open(systemPath(path), 'r').catch(unreadable(path, reasons));
    return new TarFile(path, file, (await file.stat()).size);
  }

  /** Reads a part of the archive. @throws ImageDataError if it ends before */
  async read(from: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.#size - from)));
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, from);
    if (bytesRead === length) return bytes;
    throw new ImageDataError(this.path, `ends at byte ${from + bytesRead}, within a file of ${length} bytes`);
  }

  /**
   * Yields the files of the archive in their order, and reads nothing of large ones but their headers.
   * @throws ImageDataError for an archive that is damaged, compressed or incomplete
   */
  async *members(): AsyncGenerator<TarMember, void, undefined> {
    let extended: Extended = {};
    for (let at = 0; at + block <= this.#size;) {
      const header = await this.#peek(at, block);
      if (header.every((byte) => byte === 0)) return; // The end of the archive.
      this.#check(header, at);
      const bytes = extended.size ?? numberIn(header, 124, 12);
      const offset = at + block;
      if (offset + bytes > this.#size) {
        throw new ImageDataError(this.path, `is incomplete: it ends within ${nameIn(header)}`);
      }
      at = offset + Math.ceil(bytes / block) * block;
      const kind = String.fromCharCode(header[156]!);
      if (kind === 'x' || kind === 'L') {
        extended = { ...extended, ...(await this.#extension(kind, offset, bytes)) };
        continue;
      }
      if ('0\0'.includes(kind)) yield { name: extended.path ?? nameIn(header), offset, bytes };
      if (kind !== 'g') extended = {};
    }
  }

  /** Closes the archive. */
  close(): Promise<void> {
    return this.#file.close();
  }

  /** Reads a small part, as a view of what was read last if it is there. */
  async #peek(from: number, length: number): Promise<Buffer> {
    const { from: begin, bytes } = this.#window;
    if (from < begin || from + length > begin + bytes.length) {
      const most = Math.min(Math.max(length, windowBytes), this.#size - from);
      this.#window = { from, bytes: await this.read(from, most) };
      return this.#window.bytes.subarray(0, length);
    }
    return bytes.subarray(from - begin, from - begin + length);
  }

  /** Reads a small file that was just yielded, such as a label. */
  async text({ offset, bytes }: TarMember): Promise<string> {
    return (await this.#peek(offset, bytes)).toString('utf8');
  }

  /** Reads the content of an extended header. */
  async #extension(kind: 'x' | 'L', offset: number, bytes: number): Promise<Extended> {
    if (bytes > longestNames) throw new ImageDataError(this.path, `has an extended header of ${bytes} bytes`);
    const content = await this.#peek(offset, bytes);
    return kind === 'L' ? { path: cString(content) } : paxOf(content);
  }

  #check(header: Buffer, at: number): void {
    let sum = 8 * 32; // The checksum itself counts as spaces.
    for (const [i, byte] of header.entries()) if (i < 148 || i >= 156) sum += byte;
    if (sum === numberIn(header, 148, 8)) return;
    const compressed =
      at === 0
        ? compressions.find(([start]) => header.toString('hex', 0, start.length / 2) === start)
        : undefined;
    if (compressed) {
      throw new ImageDataError(
        this.path,
        `is compressed with ${compressed[1]}; unpack it with: ${compressed[2]}`,
      );
    }
    throw new ImageDataError(this.path, `is not a tar archive, or is damaged at byte ${at}`);
  }
}

/** Content of an extended header, which describes the member after it. */
interface Extended {
  path?: string;
  size?: number;
}

/** First bytes of compressed files, in hexadecimal digits. */
const compressions: readonly (readonly [start: string, name: string, command: string])[] = [
  ['1f8b', 'gzip', 'gunzip'],
  ['28b52ffd', 'Zstandard', 'unzstd'],
  ['fd377a58', 'xz', 'unxz'],
  ['425a68', 'bzip2', 'bunzip2'],
];

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

function nameIn(header: Buffer): string {
  const name = cString(header.subarray(0, 100));
  const isPosix = header.toString('latin1', 257, 263) === 'ustar\0';
  const folder = isPosix ? cString(header.subarray(345, 500)) : '';
  return folder === '' ? name : `${folder}/${name}`;
}

/** Reads an octal number, or a binary one as GNU tar writes large ones. */
function numberIn(header: Buffer, from: number, length: number): number {
  if (header[from] === 0x80) return Number(BigInt(`0x${header.toString('hex', from + 1, from + length)}`));
  const text = cString(header.subarray(from, from + length)).trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/** Reads records of the form `21 path=photos/a.jpg\n`, whose number is the length of the record in bytes. */
function paxOf(content: Buffer): Extended {
  const found: Extended = {};
  for (let at = 0; at < content.length;) {
    const length = Number.parseInt(content.toString('latin1', at, at + 12), 10);
    if (!(length > 0)) break;
    const record = content.subarray(at, at + length - 1);
    const equals = record.indexOf('=');
    const key = record.toString('latin1', record.indexOf(' ') + 1, equals);
    if (key === 'path') found.path = decodeName(record.subarray(equals + 1));
    if (key === 'size') found.size = Number(record.toString('latin1', equals + 1));
    at += length;
  }
  return found;
}
