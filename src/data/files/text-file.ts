/** Reads text files in the encodings that editors and shells write. */
import { sniffFormat } from '../pictures/decode.js';
import { decodeName } from '../../files/file-names.js';
import { attempt } from '../../files/look.js';

/** First bytes of binary files, and names of their formats. */
const kinds: readonly (readonly [start: string, name: string])[] = [
  ['PK\x03\x04', 'a zip file (or a spreadsheet, or a PyTorch checkpoint)'],
  ['\x1f\x8b', 'a gzip file; unpack it'],
  ['BZh', 'a bzip2 file; unpack it'],
  ['\xfd7zXZ', 'an xz file; unpack it'],
  ['\x28\xb5\x2f\xfd', 'a Zstandard file; unpack it'],
  ['7z\xbc\xaf', 'a 7-Zip file'],
  ['Rar!', 'a RAR file'],
  ['%PDF', 'a PDF file'],
  ['\x7fELF', 'a program'],
  ['BM', 'a BMP image'],
  ['SQLite format 3\0', 'an SQLite database'],
  ['\xd0\xcf\x11\xe0', 'a file in an old Microsoft Office format'],
  ['PAR1', 'a Parquet file'],
  ['\x93NUMPY', 'a NumPy array'],
  ['\x89HDF', 'an HDF5 file'],
];

/**
 * Decodes a file's text: UTF-8 (other bytes as `decodeName` decodes them) or UTF-16 in either byte order, detected by
 * the byte order mark or else by the positions of zero bytes. Returns the text, or the `kind` of a binary file.
 */
export function decodeText(bytes: Uint8Array): string | { kind: string } {
  const starts = (...mark: number[]) => mark.every((byte, i) => bytes[i] === byte);
  if (starts(0xff, 0xfe, 0, 0) || starts(0, 0, 0xfe, 0xff)) return { kind: 'UTF-32 text; save it as UTF-8' };
  if (starts(0xff, 0xfe)) return checked(utf16(bytes.subarray(2), 'utf-16le'), 'damaged UTF-16 text');
  if (starts(0xfe, 0xff)) return checked(utf16(bytes.subarray(2), 'utf-16be'), 'damaged UTF-16 text');
  if (starts(0xef, 0xbb, 0xbf)) return checked(decodeName(bytes.subarray(3)), 'a binary file');
  const known = kindOf(bytes);
  const zeros = [0, 0];
  for (const [i, byte] of bytes.entries()) if (byte === 0) zeros[i % 2]!++;
  const [even = 0, odd = 0] = zeros;
  if (even + odd === 0) return checked(decodeName(bytes), known ?? 'a binary file');
  const text = utf16(bytes, odd > even ? 'utf-16le' : 'utf-16be');
  return checked(known === null ? text : null, known ?? 'a binary file');
}

function utf16(bytes: Uint8Array, encoding: 'utf-16le' | 'utf-16be'): string | null {
  // Null for an odd number of bytes, or halves of characters.
  return attempt(() => new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes));
}

/** Returns the text if it has no control characters besides tabs and line ends. */
function checked(text: string | null, kind: string): string | { kind: string } {
  // oxlint-disable-next-line no-control-regex
  return text !== null && !/[\0-\x08\x0e-\x1f]/.test(text) ? text : { kind };
}

function kindOf(bytes: Uint8Array): string | null {
  const format = sniffFormat(bytes);
  if (format !== null) return `an image (${format.toUpperCase()})`;
  const start = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  return kinds.find(([first]) => start.startsWith(first))?.[1] ?? null;
}
