/**
 * File names as strings. On Linux a name is bytes, mostly but not always UTF-8: each byte that is not becomes the lone
 * surrogate U+DC00 + byte (as in Python's `surrogateescape`), so that different names stay different, `node:path` works
 * on them, and `systemPath` returns the original bytes.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';

const escaped = /[\udc80-\udcff]/u;

/** Returns a name's bytes as a string, without loss. Yarn's Plug'n'Play always passes strings, decoded as UTF-8. */
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

/** Returns the length in bytes of the UTF-8 sequence that begins at `at`; 0 if the bytes there are not valid UTF-8. */
function sequenceLength(buffer: Buffer, at: number): number {
  const lead = buffer[at] as number;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const part = buffer.subarray(at, at + length);
  return Buffer.from(part.toString('utf8')).equals(part) ? length : 0;
}

/** Returns a path for `node:fs`: the string itself, or a buffer if the name has bytes that are not UTF-8. */
export function systemPath(path: string): string | Buffer {
  if (!escaped.test(path)) return path;
  const parts = path.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part))),
  );
}

/** Returns a path for messages: bytes that are not UTF-8 are written as `\xe9`. */
export function shownPath(path: string): string {
  return path.replace(/[\udc80-\udcff]/gu, (byte) => `\\x${(byte.charCodeAt(0) - 0xdc00).toString(16)}`);
}

/**
 * Restores the original bytes in a path from the command line: Node replaces bytes that are not UTF-8 with U+FFFD, and
 * the messages of this package show them as `\xe9`. Both forms are looked up in their folders. Returns the path
 * unchanged if no name, or more than one name, matches.
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
