/**
 * Names of incomplete files and folders: `.NAME.PID.PLACE+RANDOM.tmp` or `.partial`. They say which process of which machine
 * they belong to, so that those of a killed process can be removed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { systemPath } from './file-names.js';
import { isAlive } from './lock.js';
import { attempt, namesIn, textOf } from './look.js';

/** Parts of a name: the process, and where it runs. */
const form = /^\..+\.(\d+)\.([0-9a-f]{6})[0-9a-f]{6}\.(tmp|partial)$/;

let ownPlace: string | undefined;

/**
 * Returns digits for where this process runs: only here does another process's id say whether it is alive. Machines that
 * share a folder differ in name or `machine-id`, containers of one machine in their namespace of processes.
 */
function place(): string {
  const namespace = () => readlinkSync('/proc/self/ns/pid');
  const parts = () => [hostname(), textOf('/etc/machine-id') ?? '', attempt(namespace) ?? ''];
  ownPlace ??= createHash('sha256').update(parts().join('\n')).digest('hex').slice(0, 6);
  return ownPlace;
}

/** Returns a name beside `target` that is not in use, for what gets that name when it is complete. */
export function temporaryOf(target: string, kind: 'tmp' | 'partial'): string {
  const own = `${process.pid}.${place()}${randomBytes(3).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${own}.${kind}`);
}

/** Returns true for the name of an incomplete file of any process, in the form of this version or of an older one. */
export const isTemporary = (name: string): boolean => /^\..+\.\d+\.[0-9a-f]{8,12}\.tmp$/.test(name);

const swept = new Set<string>();

/** Calls {@link removeLeftovers} the first time that this process writes into a folder. */
export function sweepOnce(folder: string): void {
  const path = resolve(folder);
  if (swept.has(path)) return;
  swept.add(path);
  removeLeftovers(folder);
}

/**
 * Removes incomplete files and folders that processes left in a folder when they were killed. What a process of another
 * machine or container has made stays, as it may be alive; so does what has the id of any living process.
 */
export function removeLeftovers(folder: string): void {
  for (const name of namesIn(folder)) {
    const [, pid, where] = form.exec(name) ?? [];
    if (pid === undefined || where !== place() || isAlive(Number(pid))) continue;
    attempt(() => rmSync(systemPath(join(folder, name)), { recursive: true, force: true }));
  }
}
