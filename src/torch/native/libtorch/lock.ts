import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createExclusively, isBeingWritten } from './exclusive-file.js';

interface Holder {
  pid: number;
  host: string;
  token: string;
}

export interface LockOptions {
  /** Called once when another run holds the lock. */
  onWait?: (holder: string) => void;
  signal?: AbortSignal;
  /** Milliseconds between two looks at a lock that is held. */
  poll?: number;
}

/** A holder on another host (a shared cache) counts as gone when its heartbeat stopped for this long. */
const STALE_AFTER = 60_000;
const HEARTBEAT = 10_000;

/**
 * Runs `fn` while holding the lock file, waiting for another run that holds it. A lock whose process
 * is gone is taken over.
 */
export async function withLock<T>(path: string, fn: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const self: Holder = { pid: process.pid, host: hostname(), token: randomUUID() };
  for (let told = false; !createExclusively(path, JSON.stringify(self), `${path}.${self.token}`);) {
    options.signal?.throwIfAborted();
    const holder = await readHolder(path);
    if (holder === null) continue;
    if (await isGone(path, holder)) {
      await removeStale(path, holder);
      continue;
    }
    if (!told)
      options.onWait?.(`process ${holder.pid}${holder.host === self.host ? '' : ` on ${holder.host}`}`);
    told = true;
    await sleep(options.poll ?? 500, undefined, { ...(options.signal && { signal: options.signal }) });
  }
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT);
  heartbeat.unref();
  try {
    return await fn();
  } finally {
    clearInterval(heartbeat);
    if ((await readHolder(path))?.token === self.token) await rm(path, { force: true });
  }
}

async function readHolder(path: string): Promise<Holder | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return { pid: -1, host: '', token: text };
  }
}

async function isGone(path: string, holder: Holder): Promise<boolean> {
  if (isBeingWritten(path)) return false;
  if (holder.host === hostname()) return !isAlive(holder.pid);
  const info = await stat(path).catch(() => null);
  return info !== null && Date.now() - info.mtimeMs > STALE_AFTER;
}

/** Whether a process of this machine is running, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Takes a stale lock away by renaming; should a new one have come in between, it is put back. */
async function removeStale(path: string, seen: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    // Some file systems rename nothing.
    if ((await readHolder(path))?.token === seen.token) await rm(path, { force: true });
    return;
  }
  const holder = await readHolder(aside);
  if (holder !== null && holder.token !== seen.token) {
    createExclusively(path, JSON.stringify(holder), `${aside}.back`);
  }
  await rm(aside, { force: true });
}
