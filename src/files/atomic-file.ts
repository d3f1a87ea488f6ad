import { closeSync, openSync, realpathSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeName, systemPath } from './file-names.js';
import { syncFolder } from './folder.js';
import { attempt } from './look.js';
import { syncAndClose } from './sync-file.js';
import { sweepOnce, temporaryOf } from './temporary.js';

/**
 * Writes a file that appears whole or not at all: to a temporary file in the same folder, which is flushed to the disk
 * and renamed. An existing file of that name stays unchanged if anything fails.
 *
 * @param content text, bytes, or a function that writes them; the function runs before this returns its promise
 * @throws Error that names the file, its folder and what to do; it keeps the system's `code`
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array | ((descriptor: number) => void),
): Promise<void> {
  const target = followed(path);
  const temporary = temporaryOf(target, 'tmp');
  const descriptor = create(temporary, target);
  try {
    try {
      if (typeof content === 'function') content(descriptor);
      else writeAll(descriptor, typeof content === 'string' ? Buffer.from(content) : content);
    } finally {
      closeSync(descriptor);
    }
    await syncAndClose(await open(systemPath(temporary), 'r+'));
    await rename(systemPath(temporary), systemPath(target)).catch((cause: unknown) => {
      throw cannotWrite(target, cause);
    });
  } catch (error) {
    await unlink(systemPath(temporary)).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(target));
}

/**
 * Replaces a file at once: readers see its old content or the new one. For pictures of work in progress: nothing is flushed to
 * the disk.
 *
 * @throws Error that names the file, its folder and what to do
 */
export function replaceNow(path: string, content: Uint8Array): void {
  const temporary = temporaryOf(path, 'tmp');
  const descriptor = create(temporary, path);
  try {
    writeAll(descriptor, content);
  } finally {
    closeSync(descriptor);
  }
  try {
    renameSync(systemPath(temporary), systemPath(path));
  } catch (cause) {
    unlinkSync(systemPath(temporary));
    throw cannotWrite(path, cause);
  }
}

/** Creates the temporary file of a target, in a folder without those of killed processes. */
function create(temporary: string, target: string): number {
  sweepOnce(dirname(target));
  try {
    return openSync(systemPath(temporary), 'wx');
  } catch (cause) {
    throw cannotWrite(target, cause);
  }
}

/** Thrown if a file cannot be written; `code` and `syscall` are the system's. */
class WriteError extends Error {}

/** Returns an error that names the file and its folder instead of the temporary file, and what to do. */
export function cannotWrite(path: string, cause: unknown): Error {
  const { code, syscall, message } = cause as NodeJS.ErrnoException;
  // The message of `node --permission` already names what to allow.
  if (code === 'ERR_ACCESS_DENIED') return cause as Error;
  const folder = dirname(path);
  const reasons: Record<string, string> = {
    ENOENT: `there is no folder ${folder}; make it first: mkdir -p ${folder}`,
    ENOTDIR: `${folder} is not a folder; name another place`,
    EISDIR: `${path} is a folder; name a file`,
    ENOTEMPTY: `${path} is a folder; name a file`,
    EACCES: `no permission to write into the folder ${folder}; name another place`,
    EPERM: `no permission to write into the folder ${folder}; name another place`,
    EROFS: `the folder ${folder} is on a file system that cannot be written to; name another place`,
    ENAMETOOLONG: 'the name is too long; name a shorter one',
  };
  const reason = code === undefined ? undefined : reasons[code];
  const error = new WriteError(`cannot write ${path}: ${reason ?? message}`, { cause });
  return Object.assign(error, code === undefined ? {} : { code, syscall });
}

/** Writes all bytes at `position`, or at the current position if it is null. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done;
    done += writeSync(descriptor, bytes, done, bytes.length - done, at);
  }
}

/** Returns the target of a symbolic link, so that the link is written through instead of replaced. */
function followed(path: string): string {
  return attempt(() => decodeName(realpathSync(systemPath(path), { encoding: 'buffer' }))) ?? path;
}
