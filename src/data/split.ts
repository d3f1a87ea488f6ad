import { createHash } from 'node:crypto';
import { startOfDigest, type Digests } from './digests.js';

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

/** Images by their hashes: a list of these, or a store. */
export type Hashed = readonly string[] | HashedStore;

interface HashedStore {
  readonly length: number;
  hash(index: number): string;
  /** The same hashes as bytes, which are faster to read. */
  readonly digests?: Digests | undefined;
}

function hashOf(images: Hashed, index: number): string {
  return 'hash' in images ? images.hash(index) : (images[index] as string);
}

/** Places of images. A million hashes as strings would take 90 MB and seconds to sort. */
export interface Places {
  /** Place of each image. */
  readonly all: Float64Array;
  readonly sorted: Float64Array;
  /** Number of different images. */
  readonly distinct: number;
}

/** Returns the places of images, from which their split follows. */
export function placesOf(images: Hashed): Places {
  const all = new Float64Array(images.length);
  const digests = 'digests' in images ? images.digests : undefined;
  for (let i = 0; i < all.length; i++) {
    all[i] = digests ? startOfDigest(digests, i) / 2 ** 48 : place(hashOf(images, i));
  }
  const sorted = all.toSorted();
  return { all, sorted, distinct: countDistinct(images, all, sorted) };
}

/** Returns the hashes of the images whose place is chosen, each once. */
function hashesAt(images: Hashed, places: Float64Array, isChosen: (place: number) => boolean): Set<string> {
  const hashes = new Set<string>();
  for (let i = 0; i < places.length; i++) if (isChosen(places[i]!)) hashes.add(hashOf(images, i));
  return hashes;
}

/** Returns the number of different images, given their places and the same sorted. */
function countDistinct(images: Hashed, places: Float64Array, sorted: Float64Array): number {
  const shared = new Set<number>(); // By copies, or by chance.
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) shared.add(sorted[i]!);
  if (shared.size === 0) return places.length;
  let alone = 0;
  for (const where of places) if (!shared.has(where)) alone++;
  return alone + hashesAt(images, places, (where) => shared.has(where)).size;
}

/**
 * Splits images by their contents alone. A `heldOut` below 1 is a share: each image is decided independently, so that
 * adding, removing or renaming files moves no other. From 1 it is a number of different images, and 0 holds out none.
 * Equal images are always on the same side. With a share, at least one image is held out and one is left.
 * @throws RangeError if nothing would be left to train on
 */
export function splitByContent(images: Hashed, heldOut: number, places = placesOf(images)): Split {
  if (!(heldOut >= 0) || (heldOut >= 1 && !Number.isSafeInteger(heldOut))) {
    throw new RangeError(
      `data.heldOut must be a share below 1 or a whole number of images, for example 0.05 or 32; got ${heldOut}`,
    );
  }
  const { all, distinct } = places;
  let count = heldOut;
  if (heldOut > 0 && heldOut < 1) {
    const split = divided(images.length, (i) => all[i]! < heldOut);
    if (split.heldOut.length > 0 && split.train.length > 0) return split;
    count = split.heldOut.length === 0 ? 1 : Math.max(1, distinct - 1);
  }
  if (count > 0 && count >= distinct) {
    throw new RangeError(
      `cannot hold out ${count} of ${distinct} different images: at least one must be left to train on. ` +
        'Add images, or set data.heldOut=0',
    );
  }
  const { chosen, limit } = firstHashes(images, places, count);
  return divided(images.length, (i) => all[i]! <= limit && chosen.has(hashOf(images, i)));
}

/** Divides the indices of `count` images. */
export function divided(count: number, isHeldOut: (index: number) => boolean): Split {
  const split: Split = { train: [], heldOut: [] };
  for (let i = 0; i < count; i++) (isHeldOut(i) ? split.heldOut : split.train).push(i);
  return split;
}

/** Returns the first `count` different hashes in the order of their places, none of which is above the limit. */
function firstHashes(
  images: Hashed,
  { all, sorted }: Places,
  count: number,
): { chosen: Set<string>; limit: number } {
  if (count === 0) return { chosen: new Set(), limit: -1 };
  let last = 0;
  // The place of the hash number `count`, or a later one: hashes may share a place by chance.
  for (let different = 1; different < count && last < sorted.length - 1; last++) {
    if (sorted[last + 1] !== sorted[last]) different++;
  }
  const limit = sorted[last]!;
  const first = hashesAt(images, all, (where) => where <= limit);
  if (first.size <= count) return { chosen: first, limit };
  const ranked = [...first].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  return { chosen: new Set(ranked.slice(0, count)), limit };
}

/**
 * Returns the images to train on and those held out: by the split that their source comes with (`made`), or by their
 * contents. All of `other`, if there is such a set, are held out instead, and what equals one of them is left out.
 */
export function splitFrom(
  main: HashedStore,
  other: HashedStore | null,
  made: Split | null,
  heldOut: number,
  places?: Places,
): Split {
  const split = made ?? splitByContent(main, other === null ? heldOut : 0, places);
  if (other === null) return split;
  const indices = Array.from({ length: other.length }, (_, i) => i);
  const kept = new Set(indices.map((i) => other.hash(i)));
  return { train: split.train.filter((i) => !kept.has(main.hash(i))), heldOut: indices };
}
