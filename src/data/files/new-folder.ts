import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { replaceFolder } from '../../files/folder.js';
import { ImageDataError, unreadable } from '../image-error.js';

/**
 * Fills a folder under a temporary name and renames it when complete, so that it is never seen incomplete.
 * `mayReplace` returns whether an existing folder that is not empty may be replaced, or throws the reason against it.
 * @throws ImageDataError for a folder that must not be replaced, or cannot be written
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
    throw new ImageDataError(folder, `cannot be written (${message}); the incomplete folder was removed`, {
      cause: error,
    });
  }
}

/** Error codes caused by the location, not by the images. */
const placeErrors: ReadonlySet<string> = new Set(
  'ENOSPC EDQUOT EROFS EACCES EPERM EIO EFBIG ENOSYS ENOTSUP EOPNOTSUPP EXDEV'.split(' '),
);

/** Creates a folder. A recursive `mkdir` never ends in an existing folder that rejects new ones, such as `/proc`. */
async function makeFolder(path: string): Promise<void> {
  if (!existsSync(dirname(path))) await mkdir(dirname(path), { recursive: true });
  await mkdir(path);
}

async function checkTarget(folder: string, mayReplace: () => Promise<boolean>): Promise<void> {
  const refuse = unreadable(folder, { ENOTDIR: 'this is a file; name a new folder' });
  const entries = await readdir(folder).catch((cause: NodeJS.ErrnoException) =>
    cause.code === 'ENOENT' ? [] : refuse(cause),
  );
  if (entries.length === 0 || (await mayReplace())) return;
  throw new ImageDataError(folder, 'the folder is not empty; name a new one');
}
