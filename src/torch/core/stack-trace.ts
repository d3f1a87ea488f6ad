/**
 * Stack traces without the package's own frames. One call of a nested module passes through a dozen of them, and the
 * engine records only ten frames: the caller's line would be missing. TESSERA_DEBUG=1 keeps all.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../files/package.js';

// Records enough frames to include the caller's; shows as many of those as the caller's limit allows.
const RECORDED = 1000;

let own: readonly string[] | null = null;

/** Forms in which frames name the package's files: as URLs if they were imported, as paths if they were required. */
function ownPlaces(): readonly string[] {
  if (process.env['TESSERA_DEBUG']) return [];
  try {
    const folders = ['dist/', 'src/'].map((folder) => join(packageRoot(), folder));
    return folders.flatMap((folder) => [pathToFileURL(folder).href, folder]);
  } catch {
    return []; // Bundled into other code, the package has no files of its own.
  }
}

/** Sets an error's stack to one that begins with the caller's frames, built when it is read. */
export function hideOwnFrames(error: Error): void {
  const limit: unknown = Error.stackTraceLimit;
  own ??= ownPlaces();
  if (own.length === 0 || typeof limit !== 'number' || !Error.captureStackTrace) return;
  // Inherits the error's name and message, which the code that formats the frames reads.
  const recorded = Object.create(error) as { stack: unknown };
  try {
    Error.stackTraceLimit = RECORDED;
  } catch {
    return; // Error is frozen.
  }
  Error.captureStackTrace(recorded);
  Error.stackTraceLimit = limit;
  defineLate(error, 'stack', () => shown(recorded.stack, limit, error));
}

/** Defines a property that is computed when it is read, and can be set. */
function defineLate(error: Error, name: 'stack' | 'cause', get: () => unknown): void {
  const set = (value: unknown) => {
    Object.defineProperty(error, name, { value, writable: true, configurable: true });
  };
  Object.defineProperty(error, name, { get, set, configurable: true });
}

function shown(stack: unknown, limit: number, error: Error): unknown {
  if (typeof stack !== 'string') return stack; // Formatted by the program's prepareStackTrace.
  const [head, ...frames] = stack.split(/\n(?= +at )/);
  const theirs = withoutOwn(frames);
  // Bun does not look at what the recorded object inherits.
  const named = head === 'Error' ? `${error.name}: ${error.message}` : head;
  return [named, ...(theirs.length > 0 ? theirs : frames).slice(0, limit)].join('\n');
}

/** True for a built-in function, or an implicit constructor, which Bun calls unknown. */
function isBuiltIn(frame: string): boolean {
  return frame.endsWith('(<anonymous>)') || frame.includes('(unknown:');
}

function withoutOwn(frames: readonly string[]): string[] {
  const isOwn = frames.map((frame) =>
    own?.some((place) => frame.includes(` ${place}`) || frame.includes(`(${place}`)),
  );
  // Built-in functions such as Array.map that the package calls, and that call it back, count as the package's.
  for (let i = 0; i < frames.length; i++) {
    const called = isBuiltIn(frames[i]!) && (i === 0 || isOwn[i - 1]);
    const after = frames.findIndex((frame, j) => j > i && !isBuiltIn(frame));
    if (called && isOwn[after]) isOwn[i] = true;
  }
  return frames.filter((_, i) => !isOwn[i]);
}

/**
 * Sets an error's cause to one that is created when it is read. It stays a getter: a printed error shows only that it
 * exists.
 */
export function setLateCause(error: Error, make: () => string): void {
  let cause: Error | undefined;
  defineLate(error, 'cause', () => (cause ??= causeOf(make())));
}

function causeOf(message: string): Error {
  const cause = new Error(message);
  cause.stack = message; // The stack at the time of reading is meaningless.
  return cause;
}
