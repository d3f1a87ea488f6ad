import { fsync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

const sync = promisify(fsync);

/** Waits until an open file is on the disk. By its number: a handle of Yarn's Plug'n'Play has no `sync`. */
export function syncFile({ fd }: FileHandle): Promise<void> {
  return sync(fd);
}
