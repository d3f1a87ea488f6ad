import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import { featureRows } from './features.js';
import { eachBlock, joined } from './row-distances.js';

/** The nearest rows for each row, nearest first. */
export interface Neighbours {
  /** Euclidean distances. */
  distances: number[][];
  /** Numbers of the rows in the reference. */
  rows: number[][];
}

/**
 * Finds, for each row of features, the k nearest rows of a reference that comes in parts, so that it may be larger than the
 * memory. Computes in float64 on the CPU, from squared lengths: equal rows are at a distance of about 1e-8 of their length.
 */
export class NearestAmong {
  /** Features [N, D], and others of the same images, the nearest of which counts. */
  readonly #variants: readonly Tensor[];
  readonly #k: number;
  /** Squared distances [N, k] so far, and the numbers of their rows. */
  #best: { squared: Tensor; rows: Tensor } | null = null;
  #count = 0;

  /**
   * @param variants features [N, D] of the images, and of the same images in other forms, such as mirrored: the distance
   *   to a row is that of the nearest form
   * @throws ShapeError for other shapes
   */
  constructor(variants: readonly Tensor[], k: number) {
    this.#variants = torch.scope(() =>
      torch.keep(variants.map((features) => featureRows(features, 'NearestAmong', 1))),
    );
    this.#k = k;
  }

  /** Takes the next rows [M, D] of the reference. @throws ShapeError for features of another width */
  take(reference: Tensor): void {
    const before = this.#best;
    this.#best = unrecorded(() => {
      const rows = featureRows(reference, 'NearestAmong', 1);
      this.#expectWidth(rows);
      const [found, ...others] = this.#variants.map((features) => squaredDistances(features, rows));
      const squared = others.reduce((least, other) => torch.minimum(least, other), found!); // [N, M]
      const [count, more] = squared.shape as [number, number];
      const numbers = torch.arange(this.#count, this.#count + more, { dtype: 'int64' }).expand([count, more]);
      this.#count += more;
      const all = before ? torch.cat([before.squared, squared], 1) : squared;
      const allRows = before ? torch.cat([before.rows, numbers], 1) : numbers;
      const [kept, places] = all.topk(Math.min(this.#k, all.shape[1]!), 1, { largest: false });
      return torch.keep({ squared: kept, rows: allRows.gather(1, places) });
    });
    torch.dispose(before);
  }

  #expectWidth({ shape: [, width] }: Tensor): void {
    const expected = this.#variants[0]!.shape[1];
    if (width === expected) return;
    throw new torch.ShapeError(`NearestAmong compares features of ${expected} values, got ${width}`);
  }

  /** Returns the neighbours found, and frees the features. @throws RangeError if the reference was empty */
  finish(): Neighbours {
    const best = this.#best;
    if (!best) throw new RangeError('NearestAmong: the reference has no rows; pass some to take()');
    const found = torch.scope(() => ({
      distances: best.squared.sqrt().tolist() as number[][],
      rows: (best.rows.tolist() as (number | bigint)[][]).map((row) => row.map(Number)),
    }));
    torch.dispose([best, this.#variants]);
    this.#best = null;
    return found;
  }
}

/** Returns the squared distances [N, M] of rows [N, D] and [M, D]. */
function squaredDistances(a: Tensor, b: Tensor): Tensor {
  const parts: Tensor[] = [];
  eachBlock(a, b, (squared) => void parts.push(torch.keep(squared)));
  return joined(parts);
}
