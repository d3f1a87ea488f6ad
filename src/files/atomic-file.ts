import { closeSync, openSync, realpathSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeName, systemPath } from './file-names.js';
import { syncFolder } from './folder.js';
import { attempt } from './look.js';
import { syncAndClose } from './sync-file.js';
import { sweepOnce, temporaryOf } from './temporary.js';

/** Text, bytes, or a function that writes them. */
type Content = string | Uint8Array | ((descriptor: number) => void);

/**
 * Writes a file that appears whole or not at all: to a temporary file in the same folder, which is flushed to the disk
 * and renamed. An existing file of that name stays unchanged if anything fails; a symbolic link is written through.
 *
 * @param content text, bytes, or a function that writes them; the function runs before this returns its promise
 * @throws Error that names the file, its folder and what to do; it keeps the system's `code`
 */
export async function writeAtomically(path: string, content: Content): Promise<void> {
  const file = new UnnamedFile(path, content);
  try {
    await syncAndClose(await open(systemPath(file.temporary), 'r+'));
  } catch (error) {
    file.discard();
    throw error;
  }
  file.giveName();
  await syncFolder(dirname(file.target));
}

/**
 * Does what {@link writeAtomically} does, at once and without flushing anything to the disk: for pictures of work in
 * progress.
 *
 * @throws Error that names the file, its folder and what to do
 */
export function replaceNow(path: string, content: Content): void {
  new UnnamedFile(path, content).giveName();
}

/** A complete file that does not have its name yet. */
class UnnamedFile {
  /** The file that it becomes: where a symbolic link leads to. */
  readonly target: string;
  readonly temporary: string;

  constructor(path: string, content: Content) {
    this.target = followed(path);
    this.temporary = temporaryOf(this.target, 'tmp');
    const descriptor = create(this.temporary, this.target);
    try {
      try {
        if (typeof content === 'function') content(descriptor);
        else writeAll(descriptor, typeof content === 'string' ? Buffer.from(content) : content);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Takes the name, from a file that may have it. */
  giveName(): void {
    try {
      renameSync(systemPath(this.temporary), systemPath(this.target));
    } catch (cause) {
      this.discard();
      throw cannotWrite(this.target, cause);
    }
  }

  /** Removes the file instead. */
  discard(): void {
    attempt(() => unlinkSync(systemPath(this.temporary)));
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
