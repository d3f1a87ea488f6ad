/** One process at a time trains in a run folder. */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createExclusively, isBeingWritten } from '../torch/native/libtorch/exclusive-file.js';
import { isAlive } from '../torch/native/libtorch/lock.js';
import { RunError, writeError } from './run-error.js';

interface Owner {
  pid: number;
  host: string;
  /** When the lock was taken, ISO 8601. */
  started: string;
  /** When the process began, in the kernel's ticks: a number used again is another process. Null where unknown. */
  begun: string | null;
  /** Different for every taking. */
  token: string;
}

/**
 * Takes the folder's lock and returns the function that gives it back. The lock of a process that no longer lives is
 * taken over.
 *
 * @throws RunError naming the process that holds it
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, 'run.lock');
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    started: new Date().toISOString(),
    begun: processBegin(process.pid),
    token: randomUUID(),
  };
  const text = JSON.stringify(own);
  if (!tryCreate(path, text)) {
    const held = readLock(path);
    if (held !== null) refuseIfAlive(folder, path, held.owner);
    if (held !== null && !isBeingWritten(path)) removeStale(path, held.text);
    if (!tryCreate(path, text)) throw new RunError(`${folder}: another process took this run just now`);
  }
  return () => {
    if (readLock(path)?.text === text) rmSync(path, { force: true });
  };
}

/** @throws RunError naming the process that trains in the folder */
export function checkUnlocked(folder: string): void {
  const path = join(folder, 'run.lock');
  const held = readLock(path);
  if (held !== null) refuseIfAlive(folder, path, held.owner);
}

function tryCreate(path: string, text: string): boolean {
  try {
    return createExclusively(path, text, `${path}.${process.pid}`);
  } catch (error) {
    throw writeError(path, error, 'A run needs a folder it can write to: name another one.');
  }
}

function readLock(path: string): { text: string; owner: Owner | null } | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    return { text, owner: JSON.parse(text) as Owner };
  } catch {
    return { text, owner: null };
  }
}

function refuseIfAlive(folder: string, path: string, owner: Owner | null): void {
  if (owner === null) return;
  const who = `process ${owner.pid} on ${owner.host}, since ${owner.started}`;
  if (owner.host !== hostname()) {
    throw new RunError(
      `${folder} is being trained by ${who}. If that process is gone, delete ${path} and try again.`,
    );
  }
  if (!isAlive(owner.pid) || processBegin(owner.pid) !== owner.begun) return;
  throw new RunError(
    `${folder} is being trained by ${who}. Wait for it to end, stop it, or give this run another name.`,
  );
}

/** Takes a dead process's lock away, and puts it back if it turns out to be another one's. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    // Someone else was faster; who takes the lock is decided by its creation.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    // Some file systems rename nothing.
    if (readLock(path)?.text === text) rmSync(path, { force: true });
    return;
  }
  try {
    const found = readFileSync(aside, 'utf8');
    if (found !== text) createExclusively(path, found, `${aside}.back`);
  } finally {
    rmSync(aside, { force: true });
  }
}

function processBegin(pid: number): string | null {
  try {
    // Fields behind the name, which may hold spaces and parentheses; the 22nd of all is the start time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
