/** Ids of an image as a sequence for language models: with an offset, and with markers around and between rows. */
import { show } from '../config/read.js';

/** Tokens of a language model around the ids of an image. */
export interface Markers {
  /** Before the first id. */
  begin: number;
  /** After the last id of each row. */
  row: number;
  /** After the last row's marker. */
  end: number;
}

export interface SequenceOptions {
  /** Added to every id, but not to the markers. Default 0. */
  offset?: number;
  /** Default: none; the sequence is then the ids, row by row. */
  markers?: Markers;
}

/** Largest number that int32, the dtype of tokens in files, can hold. */
const MOST = 2 ** 31 - 1;

/** @throws RangeError for tokens that int32 does not hold, and for markers that are equal to an id or to each other */
export function checkSequence({ offset = 0, markers }: SequenceOptions, nCodes: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + nCodes - 1 > MOST) {
    throw new RangeError(
      `offset must be an integer from 0 to ${MOST - nCodes + 1}, so that all ids fit into int32; got ${show(offset)}`,
    );
  }
  if (markers === undefined) return;
  const entries = Object.entries(markers) as [keyof Markers, number][];
  for (const [i, [name, token]] of entries.entries()) {
    if (!Number.isSafeInteger(token) || token < 0 || token > MOST) {
      throw new RangeError(`marker ${name} must be an integer from 0 to ${MOST}, got ${show(token)}`);
    }
    if (token >= offset && token < offset + nCodes) {
      throw new RangeError(
        `marker ${name} is ${token}, which is also an id: ids are ${offset} to ${offset + nCodes - 1}; choose another marker or offset`,
      );
    }
    const twin = entries.slice(0, i).find(([, other]) => other === token);
    if (twin) throw new RangeError(`markers ${twin[0]} and ${name} are both ${token}; choose different ones`);
  }
}

/** Returns the sequence of a grid of ids [h, w]: [h·w], or [h·(w + 1) + 2] with markers. */
export function toSequence(
  ids: ArrayLike<number>,
  [height, width]: readonly [number, number],
  { offset = 0, markers }: SequenceOptions,
): Int32Array {
  if (!markers) return Int32Array.from(ids, (id) => id + offset);
  const sequence = new Int32Array(height * (width + 1) + 2);
  let at = 0;
  sequence[at++] = markers.begin;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) sequence[at++] = ids[y * width + x]! + offset;
    sequence[at++] = markers.row;
  }
  sequence[at] = markers.end;
  return sequence;
}

/**
 * Returns the ids in a sequence, without offset and markers, and their grid.
 *
 * @param grid [h, w]; required without markers
 * @throws RangeError for a sequence that `toSequence` with these options does not return
 */
export function fromSequence(
  sequence: ArrayLike<number>,
  grid: readonly [number, number] | null,
  { offset = 0, markers }: SequenceOptions,
): { ids: Int32Array; grid: [number, number] } {
  const fail = (problem: string) => new RangeError(`${problem}; give the offset and the markers of encoding`);
  let rows = sequence;
  let size = grid;
  if (markers) {
    const tokens = Array.from(sequence);
    const width = tokens.indexOf(markers.row) - 1;
    const height = (tokens.length - 2) / (width + 1);
    if (tokens[0] !== markers.begin)
      throw fail(`the first token is ${tokens[0]}, not the marker ${markers.begin}`);
    if (width < 1) throw fail(`there is no row that ends with the marker ${markers.row}`);
    if (tokens.at(-1) !== markers.end) {
      throw fail(`the last token is ${tokens.at(-1)}, not the marker ${markers.end}`);
    }
    const ends = tokens.slice(1, -1).filter((_, i) => (i + 1) % (width + 1) === 0);
    if (!Number.isSafeInteger(height) || ends.some((token) => token !== markers.row)) {
      throw fail(`the rows between the markers are not all ${width} ids long`);
    }
    if (grid && (grid[0] !== height || grid[1] !== width)) {
      throw fail(`the markers show a grid of ${height} × ${width} ids, not ${grid[0]} × ${grid[1]}`);
    }
    rows = tokens.slice(1, -1).filter((_, i) => (i + 1) % (width + 1) !== 0);
    size = [height, width];
  }
  if (!size || rows.length !== size[0] * size[1]) {
    throw fail(
      size
        ? `${rows.length} tokens are not a grid of ${size[0]} × ${size[1]} ids`
        : `the grid of ${rows.length} tokens is not known`,
    );
  }
  const ids = new Int32Array(rows.length);
  for (let i = 0; i < ids.length; i++) ids[i] = rows[i]! - offset; // Several times as fast as `from`, for sets of millions.
  return { ids, grid: [...size] };
}
