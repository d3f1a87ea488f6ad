/** Differences from an earlier commit that are meant, accepted.json. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Checkout } from './checkout.js';
import type { Difference } from './compare.js';

/** Rows of a section that differ for one reason. */
export interface AcceptedRows {
  section: string;
  reason: string;
  rows: readonly string[];
}

/** The list, as maintained by hand. */
interface AcceptedFile {
  /** Commit that the differences are from. */
  from: string;
  accepted: readonly AcceptedRows[];
}

const FILE = fileURLToPath(new URL('accepted.json', import.meta.url));

export const acceptedFile = (): AcceptedFile => JSON.parse(readFileSync(FILE, 'utf8')) as AcceptedFile;

/** The accepted differences that apply to a comparison. */
export class Accepted {
  readonly #rows: readonly AcceptedRows[];
  readonly #exact: boolean;

  /** @param exact whether all rows must differ, because the other checkout is the commit that they are from */
  constructor(rows: readonly AcceptedRows[], exact: boolean) {
    this.#rows = rows;
    this.#exact = exact;
  }

  /** Returns those that apply to a checkout: all for the commit of the list and older ones, none for later ones. */
  static of(other: Checkout): Accepted {
    const { from, accepted } = acceptedFile();
    const git = (...args: string[]) =>
      spawnSync('git', ['-C', other.root, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const exact = git('rev-parse', 'HEAD').stdout?.trim() === from;
    const later = !exact && git('merge-base', '--is-ancestor', from, 'HEAD').status === 0;
    return new Accepted(later ? [] : accepted, exact);
  }

  /** Separates the differences of a section; `stale` are rows that are listed and do not differ. */
  sort(section: string, all: readonly Difference[]): Sorted {
    const listed = new Set(this.#rows.filter((rows) => rows.section === section).flatMap(({ rows }) => rows));
    const found = new Set(all.map(({ row }) => row));
    return {
      accepted: all.filter(({ row }) => listed.has(row)),
      unequal: all.filter(({ row }) => !listed.has(row)),
      stale: this.#exact ? [...listed].filter((row) => !found.has(row)) : [],
    };
  }
}

export interface Sorted {
  accepted: readonly Difference[];
  unequal: readonly Difference[];
  stale: readonly string[];
}
