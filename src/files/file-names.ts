/**
 * File names as strings. On Linux a name is bytes, mostly but not always UTF-8: each byte that is not becomes the lone
 * surrogate U+DC00 + byte (as in Python's `surrogateescape`), so that different names stay different, `node:path` works
 * on them, and `systemPath` gives the bytes back.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';

const escaped = /[\udc80-\udcff]/u;

/** A name's bytes as a string, without loss. Yarn's Plug'n'Play has read them as UTF-8 already, whatever it was asked for. */
export function decodeName(bytes: Uint8Array | string): string {
  if (typeof bytes === 'string') return bytes;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = buffer.toString('utf8');
  if (!text.includes('\ufffd') || Buffer.from(text).equals(buffer)) return text;
  let name = '';
  for (let at = 0; at < buffer.length;) {
    const length = sequenceLength(buffer, at);
    name +=
      length === 0
        ? String.fromCharCode(0xdc00 + (buffer[at] as number))
        : buffer.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return name;
}

/** Bytes of the UTF-8 sequence that begins at a byte; 0 where none does. */
function sequenceLength(buffer: Buffer, at: number): number {
  const lead = buffer[at] as number;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const part = buffer.subarray(at, at + length);
  return Buffer.from(part.toString('utf8')).equals(part) ? length : 0;
}

/** What `node:fs` takes for a path: the string, or its bytes where it holds some that are not UTF-8. */
export function systemPath(path: string): string | Buffer {
  if (!escaped.test(path)) return path;
  const parts = path.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part))),
  );
}

/** A path to be shown and typed: bytes that are not UTF-8 as `\xe9`. */
export function shownPath(path: string): string {
  return path.replace(/[\udc80-\udcff]/gu, (byte) => `\\x${(byte.charCodeAt(0) - 0xdc00).toString(16)}`);
}

/**
 * A path as the command line gives it, with the bytes that its names have: Node turns those that are not UTF-8 into
 * U+FFFD, and error messages here show them as `\xe9`. Both are looked up in their folders. The path itself where
 * nothing else, or more than one thing, fits.
 */
export async function recoverPath(path: string): Promise<string> {
  if (!/\ufffd|\\x[89a-f][0-9a-f]/.test(path) || (await isThere(path))) return path;
  const { root } = parse(path);
  let found = root;
  for (const part of path.slice(root.length).split(sep)) {
    const whole = join(found, part);
    if (!(await isThere(whole))) {
      const names = await readdir(systemPath(found === '' ? '.' : found), { encoding: 'buffer' }).catch(
        () => [],
      );
      const fitting = names.filter(
        (name) => name.toString('utf8') === part || shownPath(decodeName(name)) === part,
      );
      if (fitting.length !== 1) return path;
      found = join(found, decodeName(fitting[0] as Buffer));
    } else found = whole;
  }
  return found;
}

function isThere(path: string): Promise<boolean> {
  return stat(systemPath(path)).then(
    () => true,
    () => false,
  );
}
