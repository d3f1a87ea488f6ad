import type { DType, Device } from '../index.js';

/** A key below another. */
export function join(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}

/** Drops entries whose value came before. */
export function once<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

const known = new WeakMap<object, Map<string, string>>();

/** State-dict key of a field: from the `keys` table of the class or one it extends, else by rule. */
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
  return field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}

/** Floating-point or complex. */
export function isInexact(dtype: string): boolean {
  return /^(float|bfloat|complex)/.test(dtype);
}

/** Tells a dtype from a device. */
export function parsePlace(place: string): { dtype?: DType; device?: Device } {
  return /^(cpu|cuda|meta)(:\d+)?$/.test(place) ? { device: place as Device } : { dtype: place as DType };
}
