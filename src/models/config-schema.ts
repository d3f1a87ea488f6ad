/** How the parameters of a configuration are described and checked before a model is built from them. */

import { camelCase } from '../torch/core/schema.js';

/** What a parameter may hold. */
export interface Kind {
  /** Completes "must be …". */
  readonly description: string;
  accepts(value: unknown): boolean;
  /** The value is a nested `{ target, params }`, built before it is handed on, or handed on as a function that builds it. */
  readonly model?: 'now' | 'later';
  /** The value is an object of its own with these parameters. */
  readonly fields?: Fields;
}

export interface Field {
  readonly kind: Kind;
  readonly required: boolean;
}

export type Fields = Readonly<Record<string, Field>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

export const count: Kind = {
  description: 'a positive integer',
  accepts: (value) => isId(value) && value !== 0,
};
export const natural: Kind = { description: 'an integer from 0', accepts: isId };
export const integer: Kind = { description: 'an integer', accepts: (value) => Number.isSafeInteger(value) };
export const number: Kind = {
  description: 'a number',
  accepts: (value) => typeof value === 'number' && !Number.isNaN(value),
};
export const flag: Kind = { description: 'true or false', accepts: (value) => typeof value === 'boolean' };
export const text: Kind = { description: 'a string', accepts: (value) => typeof value === 'string' };
const anything: Kind = { description: 'anything', accepts: () => true };
export const counts: Kind = {
  description: 'a list of positive integers',
  accepts: (value) => Array.isArray(value) && value.every((item) => count.accepts(item)),
};
export const ids: Kind = {
  description: 'a list of code indices (read the .npy file the reference names here and pass its numbers)',
  accepts: (value) => Array.isArray(value) && value.every(isId),
};
export const oneOf = (...words: string[]): Kind => ({
  description: `one of ${words.map((word) => `"${word}"`).join(', ')}`,
  accepts: (value) => words.includes(value as string),
});
/** A nested model, or one of the reserved words that stand for one. */
export const model = (...words: string[]): Kind => ({
  description: ['a { target, params } object', ...words.map((word) => `"${word}"`)].join(' or '),
  accepts: (value) => isObject(value) || words.includes(value as string),
  model: 'now',
});
/** A nested model that its owner builds when its turn comes, so that initial weights are drawn in order. */
export const lazyModel = (): Kind => ({ ...model(), model: 'later' });
export const object = (fields: Fields): Kind => ({ description: 'an object', accepts: isObject, fields });

export const required = (kind: Kind): Field => ({ kind, required: true });
export const optional = (kind: Kind): Field => ({ kind, required: false });
/** Accepted and found in the model's configuration, but of no effect on the model. */
export const kept = (kind: Kind = anything): Field => optional(kind);

/** The candidate with the fewest edits from `name`, compared without case; ties go to the first. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Turns a nested configuration into a model. */
export type BuildNested = (config: unknown, path: string) => unknown;

/**
 * Checks snake_case parameters against their description and returns those that matter under their camelCase names,
 * nested models built. `null` counts as not given. Errors name the parameter by its path.
 */
export function readFields(
  given: unknown,
  fields: Fields,
  path: string,
  build: BuildNested,
): Record<string, unknown> {
  const params = given ?? {};
  if (!isObject(params)) throw new TypeError(`${path} must be an object, got ${show(params)}.`);
  for (const name of Object.keys(params)) {
    if (Object.hasOwn(fields, name)) continue;
    const suggestion = nearest(name, Object.keys(fields));
    throw new TypeError(
      `${path} has an unknown parameter "${name}"` +
        (suggestion === undefined ? '; it takes none.' : `; the nearest one is "${suggestion}".`),
    );
  }
  const read: Record<string, unknown> = {};
  for (const [name, { kind, required: needed }] of Object.entries(fields)) {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    const here = `${path}.${name}`;
    if (value === undefined || value === null) {
      if (needed) throw new TypeError(`${here} is missing; it must be ${kind.description}.`);
      continue;
    }
    if (!kind.accepts(value)) throw new TypeError(`${here} must be ${kind.description}, got ${show(value)}.`);
    const nested = isObject(value);
    if (nested && kind.model === 'now') read[camelCase(name)] = build(value, here);
    else if (nested && kind.model === 'later') read[camelCase(name)] = () => build(value, here);
    else read[camelCase(name)] = kind.fields ? readFields(value, kind.fields, here, build) : value;
  }
  return read;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
}
