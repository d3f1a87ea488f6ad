import { onNewWire, replaceWire, shared } from './copies.js';

/** Kinds of values on the wire; must agree with native/wire.h. */
export const ABSENT = 0;
export const NONE = 1;
export const TENSOR = 2;
export const NUMBER = 3;
export const BOOL = 4;
export const INTEGER = 5;
export const FLOAT = 6;
export const COMPLEX = 7;
export const STRING = 8;
export const LIST = 9;
export const GENERATOR = 10;
export const DEVICE = 11;

/**
 * The memory that calls are written to and results are read from. It may be replaced when it grows, so read the binding
 * again after a call. Calls may nest only if nothing is left on the wire: all arguments are read before an operator
 * runs.
 */
export let wire: Float64Array = shared.wire;
let integers = new BigInt64Array(wire.buffer);
onNewWire(take);

function take(larger: Float64Array): void {
  wire = larger;
  integers = new BigInt64Array(larger.buffer);
}

/** Makes room for at least `length` elements, keeping the contents. */
export function growWire(length: number): void {
  const larger = new Float64Array(Math.max(length, wire.length * 2));
  larger.set(wire);
  take(larger);
  replaceWire(larger);
}

/** Reads an element as a 64-bit integer. */
export function integerAt(index: number): bigint {
  return integers[index]!;
}

export function setIntegerAt(index: number, value: bigint): void {
  integers[index] = value;
}

/** Writes a list of handles, preceded by its length, at `at`; returns the position after it. */
export function putHandles(handles: readonly number[], at: number): number {
  if (at + handles.length + 1 > wire.length) growWire(at + handles.length + 1);
  wire[at++] = handles.length;
  for (const handle of handles) wire[at++] = handle;
  return at;
}
