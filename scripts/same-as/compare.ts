/** Compares the rows of two checkouts, and formats the differences. */
import type { Rows } from './checkout.js';

export interface Difference {
  row: string;
  /** Lines of only one checkout, marked − (other) and + (this). */
  lines: readonly string[];
}

const LINES = 30;
const WIDTH = 400;

/** Returns the lines between the common beginning and end: those of `other` marked −, those of `own` marked +. */
function changedLines(other: string, own: string): string[] {
  const [a, b] = [other.split('\n'), own.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const shown = (lines: string[], mark: string) => {
    const changed = lines.slice(start, lines.length - end);
    const more = changed.length > LINES ? [`${mark} … ${changed.length - LINES} more lines`] : [];
    return [
      ...changed
        .slice(0, LINES)
        .map((line) => `${mark} ${line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line}`),
      ...more,
    ];
  };
  return [...shown(a, '−'), ...shown(b, '+')];
}

/** Returns the rows that differ, in the order of `own`, including rows that only one checkout has. */
export function differences(other: Rows, own: Rows): Difference[] {
  const names = [...new Set([...Object.keys(own), ...Object.keys(other)])];
  return names.flatMap((row) => {
    const [before, now] = [other[row], own[row]];
    if (before === now) return [];
    if (before === undefined) return [{ row, lines: ['+ only this checkout has this row'] }];
    if (now === undefined) return [{ row, lines: ['− only the other checkout has this row'] }];
    return [{ row, lines: changedLines(before, now) }];
  });
}

/** Returns the rows of a checkout that the other one has too. */
export function withoutNew(other: Rows, own: Rows): Rows {
  return Object.fromEntries(Object.entries(own).filter(([row]) => row in other));
}
