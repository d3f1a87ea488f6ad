import { readFileSync, readdirSync, statSync } from 'node:fs';

// Looks at places that may be missing, be of another kind, or be closed to this process: by their modes, or by
// `node --permission`, where even the question whether a file exists throws. None of them fails.

/** Whether there is something at the path that can be looked at. */
export function exists(path: string): boolean {
  return look(() => statSync(path)) !== null;
}

/** Whether the path is a file, or a link to one. */
export function isFile(path: string): boolean {
  return look(() => statSync(path))?.isFile() ?? false;
}

/** A file's text; null where it cannot be read. */
export function textOf(path: string): string | null {
  return look(() => readFileSync(path, 'utf8'));
}

/** Names in a folder, sorted; none where it cannot be read. */
export function namesIn(folder: string): string[] {
  return look(() => readdirSync(folder).sort()) ?? [];
}

/** Whether `node --permission` keeps this process from reading the path. */
export function isForbidden(path: string): boolean {
  const { permission } = process as { permission?: { has(scope: string, reference?: string): boolean } };
  return permission !== undefined && !permission.has('fs.read', path);
}

function look<T>(at: () => T): T | null {
  try {
    return at();
  } catch {
    return null;
  }
}
