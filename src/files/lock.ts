/** Lock files: one process at a time holds the lock; the lock of a process that has ended is taken over. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createExclusively, isBeingWritten } from './exclusive-file.js';
import { attempt, textOf } from './look.js';

/** Content of a lock file: the process that holds it. */
export interface Holder {
  pid: number;
  host: string;
  /** When the lock was taken, ISO 8601. Absent in older files. */
  started?: string;
  /** Start time of the process in kernel ticks, which tells apart processes with a reused id. Null if unknown. */
  begun?: string | null;
  /** Unique id of this acquisition. */
  token: string;
}

/** A lock file's text; `holder` is null if it cannot be parsed. */
interface Found {
  text: string;
  holder: Holder | null;
}

export interface LockOptions {
  /** Called once when another process holds the lock. */
  onWait?: (holder: string) => void;
  signal?: AbortSignal | undefined;
  /** Milliseconds between checks of a lock that another process holds. Default 500. */
  poll?: number;
}

/** Milliseconds without a heartbeat after which a holder on another host (a shared cache) counts as gone. */
const STALE_AFTER = 60_000;
const HEARTBEAT = 10_000;

/**
 * Takes the lock without waiting.
 *
 * @returns a function that releases the lock, or its present holder; null if another process took it meanwhile
 * @throws the system's error if the folder is not writable
 */
export function tryLock(
  path: string,
  isGone: (holder: Holder, path: string) => boolean = hasDied,
): (() => void) | Holder | null {
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    started: new Date().toISOString(),
    begun: processBegin(process.pid),
    token: randomUUID(),
  };
  const text = JSON.stringify(own);
  const create = () => createExclusively(path, text, `${path}.${own.token}`);
  if (!create()) {
    const found = readLock(path);
    if (found?.holder && !isGone(found.holder, path)) return found.holder;
    if (found && !isBeingWritten(path)) removeStale(path, found.text);
    if (!create()) return null;
  }
  return () => {
    if (readLock(path)?.text === text) rmSync(path, { force: true });
  };
}

/** Returns the holder of a lock, or null if nobody holds it or its process has ended. */
export function lockHolder(path: string): Holder | null {
  const holder = readLock(path)?.holder ?? null;
  return holder !== null && !hasDied(holder) ? holder : null;
}

/** Waits for the lock and runs `fn` while holding it. Creates the folder of the lock file. */
export async function withLock<T>(path: string, fn: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const { onWait, signal, poll = 500 } = options;
  mkdirSync(dirname(path), { recursive: true });
  let release: (() => void) | null = null;
  for (let told = false; release === null;) {
    signal?.throwIfAborted();
    const taken = tryLock(path, hasStopped);
    if (typeof taken === 'function') {
      release = taken;
      break;
    }
    if (taken && !told) {
      onWait?.(`process ${taken.pid}${taken.host === hostname() ? '' : ` on ${taken.host}`}`);
      told = true;
    }
    await sleep(poll, undefined, { signal });
  }
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT);
  heartbeat.unref();
  try {
    return await fn();
  } finally {
    clearInterval(heartbeat);
    release();
  }
}

/** True if the holder was a process on this machine and has ended. */
function hasDied({ pid, host, begun }: Holder): boolean {
  return host === hostname() && (!isAlive(pid) || (begun !== undefined && processBegin(pid) !== begun));
}

/** True if the holder has ended, or is on another machine and its heartbeat has stopped. */
function hasStopped(holder: Holder, path: string): boolean {
  if (holder.host === hostname()) return hasDied(holder);
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && Date.now() - info.mtimeMs > STALE_AFTER;
}

/** True if a process of this machine has that id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function processBegin(pid: number): string | null {
  // Fields after the name, which may contain spaces and parentheses; field 22 of the file is the start time.
  const stat = textOf(`/proc/${pid}/stat`) ?? '';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function readLock(path: string): Found | null {
  const text = textOf(path);
  return text === null ? null : { text, holder: attempt(() => JSON.parse(text) as Holder) };
}

/** Removes the lock of a process that has ended; restores it if it turns out to be another process's. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    // Another process was faster; creating the file decides who gets the lock.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    // Some file systems cannot rename.
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
