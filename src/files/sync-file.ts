import { fsync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Error codes of file systems that cannot flush to the disk; an error of the disk itself has another code. */
const unable: ReadonlySet<string> = new Set(
  'ENOSYS EINVAL ENOTSUP EOPNOTSUPP EPERM EBADF ERR_ACCESS_DENIED'.split(' '),
);

/**
 * Waits until an open file is on the disk, if its file system can do that. Uses the descriptor because handles of
 * Yarn's Plug'n'Play have no `sync`. `node --permission` forbids the call: the system then decides when to write.
 */
export async function syncFile({ fd }: FileHandle): Promise<void> {
  try {
    await promisify(fsync)(fd);
  } catch (error) {
    if (!unable.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Waits until an open file is on the disk, and closes it. */
export async function syncAndClose(file: FileHandle): Promise<void> {
  try {
    await syncFile(file);
  } finally {
    await file.close();
  }
}
