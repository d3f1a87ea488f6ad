import { randomBytes } from 'node:crypto';
import { closeSync, openSync, realpathSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFile } from './sync-file.js';

/**
 * Writes a file that appears whole or not at all: under another name in the same folder, flushed to the disk, then
 * renamed. `write` runs before this returns its promise. An older file of that name is untouched if anything fails.
 */
export async function writeAtomically(path: string, write: (descriptor: number) => void): Promise<void> {
  const target = followed(path);
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  const descriptor = openSync(temporary, 'wx');
  try {
    try {
      write(descriptor);
    } finally {
      closeSync(descriptor);
    }
    await flush(temporary, 'r+');
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await flushFolder(dirname(target));
}

/** Writes all of the bytes: at a position, or where the last write ended. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(
      descriptor,
      bytes,
      done,
      bytes.length - done,
      position === null ? null : position + done,
    );
  }
}

/** A link is written through, as by other programs, instead of being replaced. */
function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function flush(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await syncFile(handle);
  } finally {
    await handle.close();
  }
}

/** Makes the new name last through a power failure; some systems cannot, and the file is whole either way. */
async function flushFolder(path: string): Promise<void> {
  await flush(path, 'r').catch(() => {});
}
