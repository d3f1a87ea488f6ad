import { fsync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

const sync = promisify(fsync);

/**
 * Waits until an open file is on the disk. A handle of Yarn's Plug'n'Play cannot do that, but has the file's number.
 * `node --permission` allows it to nobody; there the system decides when the file is written.
 */
export async function syncFile(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) await sync(handle.fd);
    else if (code !== 'ERR_ACCESS_DENIED') throw error;
  }
}
