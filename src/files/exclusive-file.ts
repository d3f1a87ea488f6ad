import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** A file without content younger than this, in milliseconds, is being written just now. */
const WRITING = 10_000;

/**
 * Creates a file that must not be there yet, and returns false where it is. It appears with its content, as a link to a
 * complete file; where the file system has no hard links (FAT, many network and FUSE mounts) it is created exclusively
 * and written at once, so that for a moment it may be read empty: see `isBeingWritten`.
 *
 * @param draft another name in the same folder, this caller's own; nothing is left of it
 * @throws the system's error where the folder cannot be written to
 */
export function createExclusively(path: string, text: string, draft: string): boolean {
  try {
    writeFileSync(draft, text);
    linkSync(draft, path);
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Which code a file system without links gives differs: ENOSYS, EPERM, ENOTSUP, EMLINK and others were seen.
    if (syscall !== 'link') throw error;
    return createInPlace(path, text);
  } finally {
    rmSync(draft, { force: true });
  }
}

function createInPlace(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    // A network file system may report a link that it has made as failed.
    if (code === 'EEXIST') return readOr(path, '') === text;
    // Created, but not written: a full disk.
    if (syscall !== 'open') rmSync(path, { force: true });
    throw error;
  }
}

/** Whether a file is there, empty, and young enough for its creator to be about to write it. */
export function isBeingWritten(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.size === 0 && Date.now() - found.mtimeMs < WRITING;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
