/** Argument checks for functions written by hand; operators are checked by their schemas. */
import { describe } from './describe.js';
import { ArgumentError } from './errors.js';
import { Tensor } from './tensor.js';

/** Returns the handle of a tensor; throws for anything else. */
export function handleOf(value: unknown, operator: string): number {
  if (value instanceof Tensor) return value.handle;
  throw new ArgumentError(`${operator} takes a tensor, not ${describe(value)}`, { operator });
}

// The number of slots in the addon.
const MOST_TENSORS = 2 ** 22;

/** Returns the handles of a list of tensors; 0 for null, if that is allowed. */
export function handlesOf(values: unknown, operator: string, nullable = false): number[] {
  if (!Array.isArray(values))
    throw new ArgumentError(`${operator} takes an array of tensors, not ${describe(values)}`, { operator });
  if (values.length > MOST_TENSORS)
    throw new ArgumentError(`${operator} takes at most ${MOST_TENSORS} tensors, not ${values.length}`, {
      operator,
    });
  const handles: number[] = [];
  for (const value of values) {
    handles.push(nullable && (value ?? null) === null ? 0 : handleOf(value, operator));
  }
  return handles;
}

/** Throws unless a value is an options object. */
export function checkOptions(options: unknown, operator: string): void {
  // A tensor is refused, whichever copy of the package it is from.
  if (typeof options === 'object' && options !== null && !('handle' in options)) return;
  throw new ArgumentError(`${operator} takes an options object, not ${describe(options)}`, { operator });
}
