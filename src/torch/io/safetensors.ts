/**
 * The safetensors format (github.com/huggingface/safetensors): eight bytes with the header's length, little-endian;
 * the header, JSON; the tensors' bytes, little-endian and row-major, one after another without gaps.
 */
import type { DType } from '../core/dtype.js';
import { fail } from './checkpoint-error.js';

/** One tensor of a file. */
export interface SafetensorsEntry {
  /** The format's name of the dtype, such as `F32`. */
  readonly format: string;
  readonly shape: readonly number[];
  /** Start and end of the tensor's bytes, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor of a file to be written. */
export type PlannedEntry = readonly [
  string,
  { format: string; shape: readonly number[]; byteLength: number },
];

/** The format's limit, in bytes. */
export const MAX_HEADER = 100_000_000;

/** Element types: bits per element, and the dtype here, if there is one. */
const formats: ReadonlyMap<string, { bits: number; dtype: DType | null }> = new Map([
  ['BOOL', { bits: 8, dtype: 'bool' }],
  ['F4', { bits: 4, dtype: null }],
  ['F6_E2M3', { bits: 6, dtype: null }],
  ['F6_E3M2', { bits: 6, dtype: null }],
  ['U8', { bits: 8, dtype: 'uint8' }],
  ['I8', { bits: 8, dtype: 'int8' }],
  ['F8_E5M2', { bits: 8, dtype: 'float8_e5m2' }],
  ['F8_E4M3', { bits: 8, dtype: 'float8_e4m3fn' }],
  ['F8_E8M0', { bits: 8, dtype: null }],
  ['F8_E4M3FNUZ', { bits: 8, dtype: null }],
  ['F8_E5M2FNUZ', { bits: 8, dtype: null }],
  ['I16', { bits: 16, dtype: 'int16' }],
  ['U16', { bits: 16, dtype: 'uint16' }],
  ['F16', { bits: 16, dtype: 'float16' }],
  ['BF16', { bits: 16, dtype: 'bfloat16' }],
  ['I32', { bits: 32, dtype: 'int32' }],
  ['U32', { bits: 32, dtype: 'uint32' }],
  ['F32', { bits: 32, dtype: 'float32' }],
  ['C64', { bits: 64, dtype: 'complex64' }],
  ['F64', { bits: 64, dtype: 'float64' }],
  ['I64', { bits: 64, dtype: 'int64' }],
  ['U64', { bits: 64, dtype: 'uint64' }],
]);

const formatOfDType = new Map([...formats].map(([format, { dtype }]) => [dtype, format]));

/** Returns the dtype for a format's element type; null if there is none. */
export function dtypeOfFormat(format: string): DType | null {
  return formats.get(format)?.dtype ?? null;
}

/** Returns the format's name of a dtype; undefined if the format has none. */
export function formatOf(dtype: DType): string | undefined {
  return formatOfDType.get(dtype);
}

/**
 * Reads the header's length from the first eight bytes.
 *
 * @param fileSize of the whole file, in bytes
 */
export function readHeaderLength(start: Uint8Array, fileSize: number): number {
  if (start.length < 8 || fileSize < 8) fail('header-too-small', `a file of ${fileSize} bytes has no header`);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    fail('header-too-large', `the header claims ${length} bytes; the limit is ${MAX_HEADER}`);
  }
  if (Number(length) > fileSize - 8) {
    fail('header-length', `the header claims ${length} bytes, but the file has ${fileSize} bytes`);
  }
  return Number(length);
}

/**
 * Reads and validates a header: every byte of the data must belong to exactly one tensor.
 *
 * @param header the JSON's bytes
 * @param dataSize number of bytes after the header
 * @throws CheckpointError
 */
export function parseHeader(header: Uint8Array, dataSize: number): SafetensorsHeader {
  const fields = parseJson(decode(header));
  let metadata: Readonly<Record<string, string>> = {};
  const entries: [string, SafetensorsEntry][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (name === '__metadata__') metadata = readMetadata(value);
    else entries.push([name, readEntry(name, value)]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const [name, { begin, end }] of entries) {
    if (begin !== position) {
      fail(
        'offset',
        `tensor ${show(name)} starts at byte ${begin}, but ${position} was expected: there is a gap or an overlap`,
      );
    }
    position = end;
  }
  if (position !== dataSize) {
    fail(
      'incomplete-buffer',
      `the tensors take ${position} bytes, but the file has ${dataSize}; is the copy complete?`,
    );
  }
  return { entries: new Map(entries), metadata };
}

function decode(header: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    return fail('header-encoding', 'the header is not UTF-8', cause);
  }
}

function parseJson(text: string): Record<string, unknown> {
  if (!text.startsWith('{')) fail('header-structure', 'the header is not a JSON object');
  checkTokens(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail('header-json', `the header is not JSON: ${(cause as Error).message}`, cause);
  }
  return value as Record<string, unknown>;
}

// JSON.parse keeps the last of equal keys, reads 1.0 and 1e2 as integers and nests without limit; a header that another
// reader would understand differently must be refused.
function checkTokens(text: string): void {
  const keys: (Set<string> | null)[] = [];
  let previous = '';
  for (let at = 0; at < text.length; at++) {
    const found = text[at] as string;
    switch (found) {
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        continue;
      case '{':
      case '[':
        keys.push(found === '{' ? new Set() : null);
        if (keys.length > 3) fail('header-structure', 'the header nests too deeply');
        break;
      case '}':
      case ']':
        keys.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        const owner = keys.at(-1);
        if (owner && previous !== ':') noteKey(owner, text.slice(at, end));
        at = end - 1;
        break;
      }
      default:
        if (!/[0-9:,]/.test(found)) {
          fail('header-json', `unexpected ${show(found)} at character ${at} of the header`);
        }
    }
    previous = found;
  }
}

/** Returns the position after the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === '\\') at++;
  }
  return fail('header-json', `the string at character ${start} of the header is not terminated`);
}

function noteKey(owner: Set<string>, token: string): void {
  let key: string;
  try {
    key = JSON.parse(token) as string;
  } catch (cause) {
    return fail('header-json', `invalid string ${token.slice(0, 80)} in the header`, cause);
  }
  if (/\p{Surrogate}/u.test(key)) fail('header-encoding', `key ${show(key)} is not valid Unicode`);
  if (owner.has(key)) fail('duplicate-key', `key ${show(key)} appears twice in the header`);
  owner.add(key);
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) return fail('metadata', '__metadata__ is not an object');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      fail('metadata', `__metadata__ may hold only strings, but ${show(key)} is not a string`);
  }
  return value as Record<string, string>;
}

function readEntry(name: string, value: unknown): SafetensorsEntry {
  if (!isObject(value))
    return fail('header-structure', `the header's entry for ${show(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    fail('header-structure', `tensor ${show(name)} has an unknown field ${show(unknown)}`);
  const bits = typeof dtype === 'string' ? formats.get(dtype)?.bits : undefined;
  if (bits === undefined) return fail('dtype', `tensor ${show(name)} has the unknown dtype ${show(dtype)}`);
  if (!isSizes(shape))
    return fail('shape', `tensor ${show(name)} has the shape ${show(shape)}, not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail('offset', `tensor ${show(name)} has the offsets ${show(offsets)}, not two positions`);
  }
  const [begin, end] = offsets as [number, number];
  const size = byteSize(shape, bits);
  if (size === null) return fail('overflow', `tensor ${show(name)} of shape ${show(shape)} is too large`);
  if (end < begin) fail('offset', `tensor ${show(name)} ends at byte ${end}, before it starts at ${begin}`);
  if (size !== end - begin) {
    fail(
      'tensor-size',
      `tensor ${show(name)} (${dtype as string}, ${show(shape)}) takes ${size} bytes, not ${end - begin}`,
    );
  }
  return { format: dtype as string, shape, begin, end };
}

/** Returns the size in bytes; null if it is not a whole number or too large to count. */
function byteSize(shape: readonly number[], bits: number): number | null {
  let product = 1n;
  for (const size of shape) {
    product *= BigInt(size);
    // As in other readers, before a later zero could hide the overflow.
    if (product > 0xffff_ffff_ffff_ffffn) return null;
  }
  product *= BigInt(bits);
  if (product % 8n !== 0n || product / 8n > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return Number(product / 8n);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/** True for an object of JSON. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Returns the bytes before the data: header length and header, padded with spaces so that the data is aligned to eight.
 *
 * @param entries in the order of their data
 */
export function buildHeader(
  entries: Iterable<PlannedEntry>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const fields: string[] = [];
  // Written by hand: an object would reorder keys that look like integers.
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let position = 0;
  for (const [name, { format, shape, byteLength }] of entries) {
    const entry = { dtype: format, shape, data_offsets: [position, position + byteLength] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    position += byteLength;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER)
    fail('header-too-large', `the header needs ${length} bytes; the limit is ${MAX_HEADER}`);
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
