/** Folders that appear under their name only when they are complete. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemPath } from './file-names.js';
import { syncFile } from './sync-file.js';

/** Error codes for folders that cannot be renamed: those in a lower layer of an overlay, all on some mounts. */
const cannotMove: ReadonlySet<string> = new Set(['EXDEV', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

/**
 * Renames a complete folder to `target`. An existing folder of that name is replaced, and restored if the rename fails.
 *
 * @param folder a folder in the parent of `target`, on the same file system
 * @param mark name of the file that marks a folder as complete; removed first if the existing folder cannot be renamed
 * @throws the system's error; `folder` then still exists
 */
export async function replaceFolder(folder: string, target: string, mark: string): Promise<void> {
  const old = `${folder}.old.partial`;
  const stood = await moveAside(target, old, mark).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false;
    throw error;
  });
  await rename(folder, target).catch(async (error: unknown) => {
    if (stood) await rename(old, target);
    throw error;
  });
  await syncFolder(dirname(target));
  await rm(old, { recursive: true, force: true });
}

/**
 * Renames a folder to `aside` and returns true. If the file system cannot rename it, removes it, beginning with
 * its file `mark`, and returns false.
 */
export async function moveAside(path: string, aside: string, mark: string): Promise<boolean> {
  try {
    await rename(path, aside);
    return true;
  } catch (error) {
    if (!cannotMove.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await rm(join(path, mark), { force: true });
    await rm(path, { recursive: true, force: true });
    return false;
  }
}

/** Flushes a folder's entries to the disk, so that they survive a power failure. Does nothing if the system cannot. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(systemPath(path), 'r').catch(() => null);
  if (folder === null) return;
  try {
    await syncFile(folder).catch(() => {});
  } finally {
    await folder.close();
  }
}
