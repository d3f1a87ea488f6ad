import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { replaceFolder } from '../files/folder.js';
import { ImageDataError } from './image-error.js';

/**
 * Fills a folder under another name and gives it its own when it is complete, so that it is never seen half-done.
 * `mayReplace` says whether a folder of that name that is not empty may be replaced, or throws why not.
 * @throws ImageDataError for a folder that is kept, or cannot be written
 */
export async function writeFolder<T>(
  folder: string,
  mayReplace: () => Promise<boolean>,
  fill: (partial: string) => Promise<T>,
): Promise<T> {
  await checkTarget(folder, mayReplace);
  const target = resolve(folder);
  const partial = `${target}.partial-${process.pid}`;
  try {
    await rm(partial, { recursive: true, force: true });
    await makeFolder(partial).catch((cause: NodeJS.ErrnoException) => {
      throw new ImageDataError(dirname(target), `cannot be written to (${cause.message})`, { cause });
    });
    const result = await fill(partial);
    await replaceFolder(partial, target, 'index.json');
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof ImageDataError || code === undefined || !placeErrors.has(code)) throw error;
    throw new ImageDataError(folder, `cannot be written (${message}); nothing is left of it`, {
      cause: error,
    });
  }
}

/** What the place is to blame for, not the pictures. */
const placeErrors: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EACCES',
  'EPERM',
  'EIO',
  'EFBIG',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
]);

/** A recursive `mkdir` alone never ends where a folder that exists refuses new ones as `/proc` does. */
async function makeFolder(path: string): Promise<void> {
  if (!existsSync(dirname(path))) await mkdir(dirname(path), { recursive: true });
  await mkdir(path);
}

async function checkTarget(folder: string, mayReplace: () => Promise<boolean>): Promise<void> {
  const entries = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    const reason =
      cause.code === 'ENOTDIR' ? 'this is a file; name a new folder' : `cannot be read (${cause.message})`;
    throw new ImageDataError(folder, reason, { cause });
  });
  if (entries.length === 0 || (await mayReplace())) return;
  throw new ImageDataError(folder, 'there is something else here already; name a new folder');
}
