import { fsync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What file systems say that cannot wait for their disk; an error of the disk itself is another. */
const unable: ReadonlySet<string> = new Set([
  'ENOSYS',
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'EBADF',
  'ERR_ACCESS_DENIED',
]);

/**
 * Waits until an open file is on the disk, where its file system can do that. By its number: a handle of Yarn's
 * Plug'n'Play has no `sync`. `node --permission` allows it to nobody; there the system decides when the file is written.
 */
export async function syncFile({ fd }: FileHandle): Promise<void> {
  try {
    await promisify(fsync)(fd);
  } catch (error) {
    if (!unable.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
