import { randomBytes } from 'node:crypto';
import { closeSync, openSync, realpathSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeName, systemPath } from './file-names.js';
import { syncFolder } from './folder.js';
import { syncFile } from './sync-file.js';

/**
 * Writes a file that appears whole or not at all: under another name in the same folder, flushed to the disk, then
 * renamed. An older file of that name is untouched if anything fails.
 *
 * @param content text, bytes, or a function that writes them; it runs before this returns its promise
 * @throws Error that names the file, its folder and the way out; the system's `code` stays
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array | ((descriptor: number) => void),
): Promise<void> {
  const target = followed(path);
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  const descriptor = create(temporary, target);
  try {
    try {
      if (typeof content === 'function') content(descriptor);
      else writeAll(descriptor, typeof content === 'string' ? Buffer.from(content) : content);
    } finally {
      closeSync(descriptor);
    }
    await flush(temporary);
    await rename(systemPath(temporary), systemPath(target)).catch((cause: unknown) => {
      throw cannotWrite(target, cause);
    });
  } catch (error) {
    await unlink(systemPath(temporary)).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(target));
}

function create(temporary: string, target: string): number {
  try {
    return openSync(systemPath(temporary), 'wx');
  } catch (cause) {
    throw cannotWrite(target, cause);
  }
}

/** A file that cannot be written, said in words; `code` and `syscall` are the system's. */
class WriteError extends Error {}

/** An error that names the file and its folder instead of the temporary file, and the way out. */
export function cannotWrite(path: string, cause: unknown): Error {
  const { code, syscall, message } = cause as NodeJS.ErrnoException;
  // `node --permission` says with it what to allow.
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
    return decodeName(realpathSync(systemPath(path), { encoding: 'buffer' }));
  } catch {
    return path;
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(systemPath(path), 'r+');
  try {
    await syncFile(handle);
  } finally {
    await handle.close();
  }
}
