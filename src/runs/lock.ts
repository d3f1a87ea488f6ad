/** Lock that allows only one process at a time to train in a run folder. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { lockHolder, tryLock, type Holder } from '../files/lock.js';
import { RunError, writeError } from './error.js';

const lockOf = (folder: string) => join(folder, 'run.lock');

/**
 * Takes the folder's lock and returns the function that releases it. The lock of a process that no longer exists is
 * taken over.
 *
 * @throws RunError with the process that holds it
 */
export function lockRun(folder: string): () => void {
  const path = lockOf(folder);
  let taken: ReturnType<typeof tryLock>;
  try {
    taken = tryLock(path);
  } catch (error) {
    throw writeError(path, error, 'Name a folder that can be written to.');
  }
  if (taken === null)
    throw new RunError(
      `${folder}: another process has just opened this run. Wait for it to end, or give this run another name.`,
    );
  if (typeof taken === 'function') return taken;
  throw beingTrained(folder, taken);
}

/** @throws RunError with the process that trains in the folder */
export function checkUnlocked(folder: string): void {
  const holder = lockHolder(lockOf(folder));
  if (holder !== null) throw beingTrained(folder, holder);
}

function beingTrained(folder: string, { pid, host, started }: Holder): RunError {
  const wayOut =
    host === hostname()
      ? 'Wait for it to end, stop it, or give this run another name.'
      : `If that process is gone, delete ${lockOf(folder)} and try again.`;
  return new RunError(`${folder} is being trained by process ${pid} on ${host}, since ${started}. ${wayOut}`);
}
