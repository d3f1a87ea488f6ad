/** Detects the kind of a file from its first bytes: the formats that can be read, and the names of others. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CheckpointError } from './checkpoint-error.js';

export type CheckpointFormat = 'safetensors' | 'pytorch-zip' | 'pytorch-legacy';

/** The format, or `index` for a list of the files that make one checkpoint. */
export type FileFormat = CheckpointFormat | 'index';

/** Says what a file is that is not a checkpoint, and what to do about it. */
type Reason = string;

const packed = (what: string): Reason => `is packed by ${what}; unpack it first`;
const other = (what: string): Reason =>
  `is ${what}, which is not supported; save its tensors as safetensors or with torch.save`;

/** File signatures, as Latin-1. */
const beginnings: readonly (readonly [string, Reason])[] = [
  ['version https://git-lfs', 'is a Git LFS pointer, not the file itself; run `git lfs pull`'],
  ['version https://hawser', 'is a Git LFS pointer, not the file itself; run `git lfs pull`'],
  ['PK\x05\x06', 'is an empty zip file, not a checkpoint'],
  ['\x1f\x8b', packed('gzip')],
  ['BZh', packed('bzip2')],
  ['\xfd7zXZ\0', packed('xz')],
  ['\x28\xb5\x2f\xfd', packed('zstd')],
  ['\x04\x22\x4d\x18', packed('lz4')],
  ['7z\xbc\xaf\x27\x1c', packed('7-Zip')],
  ['Rar!', packed('RAR')],
  ['\x89HDF\r\n\x1a\n', other('an HDF5 file, as Keras writes')],
  ['\x93NUMPY', other('a NumPy array (.npy)')],
  ['GGUF', other('a GGUF file of llama.cpp')],
  ...['lmgg', 'tjgg', 'fmgg', 'algg'].map((magic): [string, Reason] => [
    magic,
    other('a GGML file of llama.cpp'),
  ]),
  ['MATLAB ', other('a MATLAB file')],
  ['\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1', other('a file of Lua Torch (.t7)')],
  ['PAR1', other('a Parquet file')],
  ['ARROW1', other('an Arrow file')],
  ['SQLite format 3', other('an SQLite database')],
  ['%PDF', 'is a PDF document, not a checkpoint'],
  ['\x89PNG', 'is a PNG image, not a checkpoint'],
  ['\xff\xd8\xff', 'is a JPEG image, not a checkpoint'],
  ['GIF8', 'is a GIF image, not a checkpoint'],
  ['RIFF', 'is a media file (RIFF), not a checkpoint'],
  ['\x7fELF', 'is a program or library, not a checkpoint'],
];

/** Possible first bytes of the fields after the first one of a protobuf: texts and messages. */
const fields = [0x12, 0x1a, 0x22, 0x2a, 0x3a, 0x42];

/** Names of files whose contents do not identify them. */
const endings: readonly (readonly [RegExp, Reason])[] = [
  [
    /\.distcp$/,
    'is a part of a checkpoint of torch.distributed.checkpoint; in Python, convert the folder to one file: ' +
      'python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE',
  ],
  [/\.data-\d{5}-of-\d{5}$|\.ckpt\.(index|meta)$/, other('a part of a TensorFlow checkpoint')],
];

/**
 * Detects the format from the first bytes, or from the name if those do not identify it.
 *
 * @param start first bytes of the file, up to 512
 * @throws CheckpointError that names the actual format
 */
export function formatOf(path: string, size: number, start: Uint8Array): FileFormat {
  if (size === 0) throw new CheckpointError('truncated', `${path} is empty`);
  for (const [pattern, reason] of endings) {
    if (pattern.test(path)) throw new CheckpointError('unsupported-format', `${path} ${reason}`);
  }
  // Checked first: a header of 640 bytes starts like a pickle, one of 60 like a web page.
  if (startsLikeSafetensors(start, size)) return 'safetensors';
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return 'pytorch-zip';
  if (startsLikePickle(start, text)) return 'pytorch-legacy';
  const reason = otherFormat(path, text);
  if (reason !== null) throw new CheckpointError('unknown-format', `${path} ${reason}`);
  if (text.slice(257, 262) === 'ustar') throw isTar(path, text);
  if (size <= 8) return 'safetensors'; // Too short for its header; the error says so.
  const plain = plainText(start);
  // The length of its header may be damaged; the error then says so.
  if (plain === null && (path.endsWith('.safetensors') || start[8] === '{'.charCodeAt(0)))
    return 'safetensors';
  if (plain === null) throw new CheckpointError('unknown-format', `${path} ${describeBytes(start)}`);
  if (/^[{[]/.test(plain)) return 'index';
  throw new CheckpointError('unknown-format', `${path} ${describeText(plain)}`);
}

function startsLikeSafetensors(start: Uint8Array, fileSize: number): boolean {
  if (start.length < 9) return false;
  const length = Buffer.from(start).readBigUInt64LE();
  return length <= BigInt(fileSize - 8) && start[8] === '{'.charCodeAt(0);
}

/** Old pickles: protocols from 2 on are marked as such; the two before start with the magic number itself. */
function startsLikePickle(start: Uint8Array, text: string): boolean {
  return (
    (start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5) || text.startsWith('L119547037146038801333356L')
  );
}

function otherFormat(path: string, text: string): Reason | null {
  const known = beginnings.find(([beginning]) => text.startsWith(beginning));
  if (known !== undefined) return known[1];
  if (text.slice(4, 8) === 'TFL3') return other('a TensorFlow Lite model');
  // Maps of MessagePack whose first key is a short text.
  if (/^(?:[\x81-\x8f]|\xde..|\xdf....)(?:[\xa1-\xbf]|\xd9)/s.test(text)) {
    return other('a MessagePack file, as Flax writes');
  }
  // Protobuf: a small number in field 1, then a text or a message in one of the next.
  const [tag = 0, value = 0, next = 0] = [0, 1, 2].map((at) => text.charCodeAt(at));
  if (tag === 0x08 && value > 0 && value < 0x20 && fields.includes(next)) {
    const onnx = path.endsWith('.onnx') || /onnx|pytorch/.test(text.slice(0, 64));
    return other(onnx ? 'an ONNX model' : 'a protobuf file, as ONNX and TensorFlow write');
  }
  return null;
}

function isTar(path: string, text: string): CheckpointError {
  const first = text.slice(0, 100).replace(/\0.*$/s, '');
  const old = /^(\.\/)?(sys_info|pickle|tensors|storages)$/.test(first);
  return new CheckpointError(
    'unsupported-format',
    old
      ? `${path} is a tar file, as torch.save wrote before 2017; load and save it again with a newer PyTorch`
      : `${path} is a tar file (its first entry is ${JSON.stringify(first.slice(0, 60))}); unpack it first`,
  );
}

const encodingOf = ([first, second]: Uint8Array): string =>
  first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';

/** Decodes a text in the encoding that its first bytes indicate, without leading white space. */
export function textIn(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes)).decode(bytes).trimStart();
}

/** Returns the beginning of a text without leading white space; null if the bytes are not text. */
function plainText(start: Uint8Array): string | null {
  const encoding = encodingOf(start);
  if (encoding !== 'utf-8') return textIn(start.subarray(0, start.length - (start.length % 2)));
  let text: string;
  try {
    // The last character may be cut off.
    text = new TextDecoder(encoding, { fatal: true }).decode(start, { stream: true });
  } catch {
    return null;
  }
  // No control characters except tabs and line ends.
  return /(?![\t\n\r])\p{Cc}/u.test(text) ? null : text.trimStart();
}

function describeText(text: string): Reason {
  if (/^<(!doctype html|html|head|body|script)/i.test(text)) {
    return 'is a web page, not a checkpoint; was the download refused?';
  }
  if (text.startsWith('<')) return `is XML (${quote(text)}), not a checkpoint; was the download refused?`;
  return `is text (${quote(text)}), not a checkpoint`;
}

function describeBytes(start: Uint8Array): Reason {
  if (start.every((byte) => byte === 0)) {
    return `begins with ${start.length} zeros, so it is not a checkpoint; is the copy complete?`;
  }
  const first = [...start.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0'));
  return (
    `begins with the bytes ${first.join(' ')}, which is neither safetensors nor a file of torch.save; ` +
    'is it a checkpoint, and is the copy complete?'
  );
}

/** Returns the beginning of a text, in quotes. */
export function quote(text: string): string {
  const [line = ''] = text.split('\n');
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}

/** Returns an explanation for a folder given instead of a file. */
export function folderAdvice(path: string): string {
  let names: string[] = [];
  try {
    names = readdirSync(path).sort();
  } catch {
    // Without a listing no file can be suggested.
  }
  if (existsSync(join(path, '.metadata')) && names.some((name) => name.endsWith('.distcp'))) {
    return (
      'is a folder of torch.distributed.checkpoint; in Python, convert it to one file: ' +
      `python -m torch.distributed.checkpoint.format_utils dcp_to_torch ${path} ${basename(path)}.pt`
    );
  }
  const files = names.filter((name) => /\.(safetensors|ckpt|pth?|bin)$|\.index\.json$/.test(name));
  const index = files.filter((name) => name.endsWith('.index.json'));
  const shown = (index.length > 0 ? index : files).slice(0, 3).map((name) => join(path, name));
  const named =
    shown.length === 0 ? 'name the checkpoint file itself' : `name the file itself: ${shown.join(', ')}`;
  return `is not a file; ${named}`;
}

/** Returns what a zip file without `data.pkl` is, judged by the names in it; null if unknown. */
export function otherZip(names: readonly string[]): string | null {
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  if (has(/(^|\/)(serialized_exported_program\.json|archive_format)$/)) {
    return 'it is a program of torch.export; in Python, save torch.export.load(path).state_dict';
  }
  if (has(/\.weights\.h5$/)) return 'it is a model of Keras; save its tensors as safetensors';
  if (names.length > 0 && names.every((name) => name.endsWith('.npy'))) {
    return 'it is an archive of NumPy arrays (.npz); save its tensors as safetensors';
  }
  if (has(/^\[Content_Types\]\.xml$/)) return 'it is an office document';
  return null;
}
