import { createHash } from 'node:crypto';

/** SHA-256 of a file's bytes, or of a name, as hexadecimal digits: what a picture is known by in splits. */
export function contentHash(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A number in [0, 1) that follows from a hash. */
function place(hash: string): number {
  return Number.parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}

export interface Split {
  /** Positions in the list of hashes, ascending. */
  train: number[];
  heldOut: number[];
}

/**
 * Holds pictures out by their contents alone. A `share` below 1 decides each picture by itself, so that adding,
 * removing or renaming files moves no other; `heldOut` from 1 is a count of different pictures, and 0 holds out none.
 * Equal pictures always land on the same side. With a share, at least one picture is held out and one is left.
 * @throws RangeError where nothing would be left to train on
 */
export function splitByContent(hashes: readonly string[], heldOut: number): Split {
  if (!(heldOut >= 0) || (heldOut >= 1 && !Number.isSafeInteger(heldOut))) {
    throw new RangeError(
      `data.heldOut is a share below 1 or a whole number of pictures, for example 0.05 or 32; got ${heldOut}`,
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
      `cannot hold out ${count} of ${distinct} different pictures: at least one must be left to train on. ` +
        'Add pictures, or set data.heldOut=0',
    );
  }
  const chosen = new Set(ranked.slice(0, count));
  const split: Split = { train: [], heldOut: [] };
  for (const [i, hash] of hashes.entries()) (chosen.has(hash) ? split.heldOut : split.train).push(i);
  return split;
}
