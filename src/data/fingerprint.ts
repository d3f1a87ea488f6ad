import { createHash } from 'node:crypto';
import { digestBytes, writeDigest, type Digests } from './digests.js';
import type { ImageSource } from './image-source.js';

/** Length of the text that is hashed at once: a call for each image takes seconds for a million. */
const block = 2 ** 16;

/**
 * Returns a digest of the training and held-out images. It changes with their contents, their order, their classes and
 * the split, but not with their paths.
 */
export function fingerprintOf(train: ImageSource, heldOut: ImageSource): string {
  const digest = createHash('sha256').update(JSON.stringify([train.length, heldOut.length, train.classes]));
  for (const source of [train, heldOut]) {
    const { digests } = source;
    for (const lines of digests ? byteLines(source, digests) : textLines(source)) digest.update(lines);
  }
  return digest.digest('hex').slice(0, 16);
}

/** What follows an image's hash in its line. */
const endOfLine = (label: number | undefined) => ` ${label ?? '-'}\n`;

/** Yields the lines of the images, hash and class, many at once. */
function* textLines(source: ImageSource): Generator<string> {
  let lines = '';
  for (let i = 0; i < source.length; i++) {
    lines += source.hash(i) + endOfLine(source.label(i));
    if (lines.length < block) continue;
    yield lines;
    lines = '';
  }
  yield lines;
}

/** Yields the bytes of the same lines; what it has yielded is overwritten by what follows. */
function* byteLines(source: ImageSource, digests: Digests): Generator<Uint8Array> {
  const lines = new Uint8Array(block);
  const view = new DataView(lines.buffer);
  const ends = new Map<number | undefined, Buffer>();
  let to = 0;
  for (let i = 0; i < source.length; i++) {
    const label = source.label(i);
    let end = ends.get(label);
    if (end === undefined) ends.set(label, (end = Buffer.from(endOfLine(label))));
    if (to + 2 * digestBytes + end.length > block) {
      yield lines.subarray(0, to);
      to = 0;
    }
    writeDigest(digests, source.place(i), view, to);
    to += 2 * digestBytes;
    for (let k = 0; k < end.length; k++, to++) lines[to] = end[k]!;
  }
  yield lines.subarray(0, to);
}
