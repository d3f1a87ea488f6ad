import { createHash } from 'node:crypto';

/** Returns the SHA-256 of a file's bytes or of a name in hexadecimal, which identifies an image in splits. */
export function contentHash(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Maps a hash to a number in [0, 1). */
function place(hash: string): number {
  return Number.parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}

export interface Split {
  /** Indices into the list of hashes, ascending. */
  train: number[];
  heldOut: number[];
}

/**
 * Splits images by their contents alone. A `heldOut` below 1 is a share: each image is decided independently, so that
 * adding, removing or renaming files moves no other. From 1 it is a number of different images, and 0 holds out none.
 * Equal images are always on the same side. With a share, at least one image is held out and one is left.
 * @throws RangeError if nothing would be left to train on
 */
export function splitByContent(hashes: readonly string[], heldOut: number): Split {
  if (!(heldOut >= 0) || (heldOut >= 1 && !Number.isSafeInteger(heldOut))) {
    throw new RangeError(
      `data.heldOut must be a share below 1 or a whole number of images, for example 0.05 or 32; got ${heldOut}`,
    );
  }
  const ranked = [...new Set(hashes)].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const distinct = ranked.length;
  let count = heldOut;
  if (heldOut > 0 && heldOut < 1) {
    const below = ranked.filter((hash) => place(hash) < heldOut).length;
    count = Math.max(1, Math.min(distinct - 1, below));
  }
  if (count > 0 && count >= distinct) {
    throw new RangeError(
      `cannot hold out ${count} of ${distinct} different images: at least one must be left to train on. ` +
        'Add images, or set data.heldOut=0',
    );
  }
  const chosen = new Set(ranked.slice(0, count));
  const split: Split = { train: [], heldOut: [] };
  for (const [i, hash] of hashes.entries()) (chosen.has(hash) ? split.heldOut : split.train).push(i);
  return split;
}
