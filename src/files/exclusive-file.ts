import { linkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { textOf } from './look.js';

/** Age in milliseconds up to which an empty file counts as still being written. */
const WRITING = 10_000;

/**
 * Creates a file that must not exist yet; returns false if it does. The file appears with its content, as a hard link
 * to a complete file. On file systems without hard links (FAT, many network and FUSE mounts) it is created exclusively
 * and then written, so that readers may see it empty for a moment: see `isBeingWritten`.
 *
 * @param draft path of a temporary file in the same folder, unique to this caller; it is removed
 * @throws the system's error if the folder is not writable
 */
export function createExclusively(path: string, text: string, draft: string): boolean {
  try {
    writeFileSync(draft, text);
    linkSync(draft, path);
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // File systems without hard links fail with various codes: ENOSYS, EPERM, ENOTSUP, EMLINK and others were seen.
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
    // A network file system may report failure for a link that it did create.
    if (code === 'EEXIST') return (textOf(path) ?? '') === text;
    // Created, but not written: a full disk.
    if (syscall !== 'open') rmSync(path, { force: true });
    throw error;
  }
}

/** True if the file is empty and so new that its creator may still be about to write it. */
export function isBeingWritten(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.size === 0 && Date.now() - found.mtimeMs < WRITING;
}
