/** Folders that are seen under their name only when they are whole. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemPath } from './file-names.js';
import { syncFile } from './sync-file.js';

/** What file systems say that cannot rename a folder: overlays (containers) one of a lower layer, some mounts any. */
const cannotMove: ReadonlySet<string> = new Set(['EXDEV', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

/**
 * Gives a complete folder its name, in place of an older one, which stays until then, or is put back if that fails.
 *
 * @param folder beside `target`, on the same file system
 * @param mark the file by which a folder counts as whole; the first that goes where an older one must be removed
 * in place
 * @throws the system's error; `folder` is then still there
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
 * Moves a folder out of the way and returns true; where the file system cannot, removes it, beginning with the file
 * `mark` by which it counts as whole, and returns false.
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

/** Makes names in a folder last through a power failure, where the system can: some open no folder as a file. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(systemPath(path), 'r').catch(() => null);
  if (folder === null) return;
  try {
    await syncFile(folder).catch(() => {});
  } finally {
    await folder.close();
  }
}
