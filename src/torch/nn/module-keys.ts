import { snakeCase } from '../core/schema.js';

/** Joins a key to a prefix. */
export function join(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}

const known = new WeakMap<object, Map<string, string>>();

/** Returns the state-dict key of a field: from the `keys` table of its class or a base class, otherwise by rule. */
export function keyOf(constructor: object, field: string): string {
  let keys = known.get(constructor);
  if (keys === undefined) known.set(constructor, (keys = new Map()));
  let key = keys.get(field);
  if (key === undefined) keys.set(field, (key = findKey(constructor, field)));
  return key;
}

function findKey(constructor: object, field: string): string {
  for (
    let owner: object | null = constructor;
    owner !== null;
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    if (!Object.hasOwn(owner, 'keys')) continue;
    const table = (owner as { keys: Readonly<Record<string, string>> }).keys;
    const key = Object.hasOwn(table, field) ? table[field] : undefined;
    if (key !== undefined) return key;
  }
  return snakeCase(field);
}

/** Returns the fields of a module that pass the test, under their keys. */
export function fieldsOf<T>(module: object, wanted: (value: unknown) => value is T): [string, T][] {
  const found: [string, T][] = [];
  for (const [name, value] of Object.entries(module)) {
    if (wanted(value)) found.push([keyOf(module.constructor, name), value]);
  }
  return found;
}
