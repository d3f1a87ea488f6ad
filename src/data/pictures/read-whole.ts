import { readFile, stat } from 'node:fs/promises';
import { systemPath } from '../../files/file-names.js';
import { unreadable } from '../image-error.js';

/** Size limit of a file in bytes. */
const maxFileBytes = 2 ** 29;

/**
 * Reads a file's bytes.
 * @throws ImageDataError for a file that does not exist, cannot be read, or is too large
 */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(systemPath(path));
    // Reading a pipe would block until somebody writes to it.
    if (!found.isFile()) throw new Error(found.isDirectory() ? 'it is a folder' : 'it is a pipe or a device');
    const { size } = found;
    if (size > maxFileBytes)
      throw new Error(`the file has ${Math.round(size / 2 ** 20)} MB, at most 512 are supported`);
    return await readFile(systemPath(path));
  } catch (cause) {
    return unreadable(path, { ENOENT: 'there is no such file' })(cause as NodeJS.ErrnoException);
  }
}
