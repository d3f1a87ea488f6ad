/** Lock files: one process at a time, and none for ever, because the lock of a process that is gone is taken over. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createExclusively, isBeingWritten } from './exclusive-file.js';

/** What a lock file says of the process that took it. */
export interface Holder {
  pid: number;
  host: string;
  /** When the lock was taken, ISO 8601. Absent in older files. */
  started?: string;
  /** When the process began, in the kernel's ticks: a number used again is another process. Null where unknown. */
  begun?: string | null;
  /** Different for every taking. */
  token: string;
}

/** A lock file as it was read; `holder` is null where its text is not that of a lock. */
interface Found {
  text: string;
  holder: Holder | null;
}

export interface LockOptions {
  /** Called once when another process holds the lock. */
  onWait?: (holder: string) => void;
  signal?: AbortSignal;
  /** Milliseconds between two looks at a lock that is held. Default 500. */
  poll?: number;
}

/** A holder on another host (a shared cache) that beats counts as gone when its heartbeat stopped for this long. */
const STALE_AFTER = 60_000;
const HEARTBEAT = 10_000;

/**
 * Takes the lock without waiting.
 *
 * @returns the function that gives it back, or the holder; null where another process was faster
 * @throws the system's error where the folder cannot be written to
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

/** Returns the living holder of a lock, or null. */
export function lockHolder(path: string): Holder | null {
  const holder = readLock(path)?.holder ?? null;
  return holder !== null && !hasDied(holder) ? holder : null;
}

/** Runs `fn` while holding the lock, after waiting for another process that holds it. Makes its folder. */
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
    await sleep(poll, undefined, { ...(signal && { signal }) });
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

/** True if the holder was a process of this machine and is gone. */
function hasDied({ pid, host, begun }: Holder): boolean {
  return host === hostname() && (!isAlive(pid) || (begun !== undefined && processBegin(pid) !== begun));
}

/** True if the holder is gone, or is on another machine and no longer beats. */
function hasStopped(holder: Holder, path: string): boolean {
  if (holder.host === hostname()) return hasDied(holder);
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && Date.now() - info.mtimeMs > STALE_AFTER;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
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

function readLock(path: string): Found | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    return { text, holder: JSON.parse(text) as Holder };
  } catch {
    return { text, holder: null };
  }
}

/** Takes a dead process's lock away, and puts it back if it turns out to be another one's. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${randomUUID()}`;
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
