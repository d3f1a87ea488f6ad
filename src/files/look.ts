import { readFileSync, readdirSync, statSync } from 'node:fs';

// Lookups that never throw: the path may be missing, of another kind, or unreadable because of its mode or
// `node --permission`, under which even asking whether a file exists throws.

/** True if the path exists and this process may look at it. */
export function exists(path: string): boolean {
  return attempt(() => statSync(path)) !== null;
}

/** True if the path is a file, or a link to one. */
export function isFile(path: string): boolean {
  return attempt(() => statSync(path))?.isFile() ?? false;
}

/** Returns a file's text; null if it cannot be read. */
export function textOf(path: string): string | null {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** Returns the names in a folder, sorted; an empty list if it cannot be read. */
export function namesIn(folder: string): string[] {
  return attempt(() => readdirSync(folder).sort()) ?? [];
}

/** True if `node --permission` forbids this process to read the path. */
export function isForbidden(path: string): boolean {
  const { permission } = process as { permission?: { has(scope: string, reference?: string): boolean } };
  return permission !== undefined && !permission.has('fs.read', path);
}

/** Returns the content of a JSON file; null if it cannot be read or is not JSON. */
export function jsonIn(path: string): unknown {
  return attempt(() => JSON.parse(readFileSync(path, 'utf8')) as unknown);
}

/** Returns what `make` returns; null if it throws. */
export function attempt<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}
