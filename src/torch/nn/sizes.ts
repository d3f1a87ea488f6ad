import { describe } from '../core/describe.js';
import { ArgumentError } from '../core/errors.js';

/** Length, or an array of one. */
export type Size1 = number | readonly [number];
/** Height and width, or one number for both. */
export type Size2 = number | readonly [number, number];
/** Depth, height and width, or one number for all. */
export type Size3 = number | readonly [number, number, number];
/** One number for all dimensions, or one for each. */
export type Size = number | readonly number[];

export function pair(size: Size2): [number, number] {
  return spread(size, 2) as [number, number];
}

/** Returns one number for each of `dims` dimensions. */
export function spread(size: Size, dims: number, what = 'size'): number[] {
  if (typeof size === 'number') return Array.from({ length: dims }, () => size);
  if (Array.isArray(size) && size.length === dims) return [...(size as number[])];
  throw new ArgumentError(`${what} ${describe(size)} is neither a number nor ${dims} of them`);
}

/** Formats a tuple as Python prints it. */
export function tuple(values: readonly (number | null)[]): string {
  const shown = values.map((value) => value ?? 'None').join(', ');
  return `(${shown}${values.length === 1 ? ',' : ''})`;
}

/** Formats an int or a tuple as Python prints it. */
export function shownSize(size: number | null | readonly (number | null)[]): string {
  if (size === null) return 'None';
  return typeof size === 'number' ? String(size) : tuple(size);
}

/** Formats a bool as Python prints it. */
export function pythonBool(flag: boolean): string {
  return flag ? 'True' : 'False';
}

/** Formats a float as Python prints it: with a decimal point, and two digits of exponent from 1e-5 down. */
export function pythonFloat(x: number): string {
  if (Number.isInteger(x)) return `${x}.0`;
  return String(x)
    .replace(/e-(\d)$/, 'e-0$1')
    .replace(/^(0\.0000)(\d+)$/, () => x.toExponential().replace(/e-(\d)$/, 'e-0$1'));
}
