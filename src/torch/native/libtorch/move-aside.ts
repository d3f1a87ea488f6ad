import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What file systems say that cannot rename a folder: overlays (containers) one of a lower layer, some mounts any. */
const cannotMove: ReadonlySet<string> = new Set(['EXDEV', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

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
