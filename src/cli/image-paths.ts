/** Images named on the command line, and names for what is made from them. */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { findImages, isImageList } from '../data/files/find-images.js';
import { unreadable } from '../data/image-error.js';
import { recoverPath, systemPath } from '../files/file-names.js';
import type { LeftOut } from './left-out.js';

/**
 * Returns the named image files, and the images in the named folders.
 *
 * @param lists true to read text files as lists of paths
 */
export async function imagePaths(
  paths: readonly string[],
  leftOut: LeftOut,
  { lists = false } = {},
): Promise<string[]> {
  const files: string[] = [];
  for (const given of paths) {
    const path = await recoverPath(given);
    const found = await leftOut.unless(path, async () => {
      const reasons = { ENOENT: 'there is no such image or folder' };
      const stats = await stat(systemPath(path)).catch(unreadable(path, reasons));
      const holdsImages = stats.isDirectory() || (lists && isImageList(path));
      return holdsImages ? (await findImages(path)).files : [path];
    });
    for (const file of found ?? []) files.push(file);
  }
  return files;
}

/** Makes unique file names: `cat.png` for `photos/cat.jpg`, or `cat-2.png` if that is taken. */
export class UniqueNames {
  readonly #extension: string;
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  constructor(extension: string) {
    this.#extension = extension;
  }

  /** Returns the name for a file, and takes it. */
  of(file: string): string {
    const stem = basename(file, extname(file));
    let name = stem;
    let n = this.#next.get(stem) ?? 2;
    for (; this.#taken.has(name); n++) name = `${stem}-${n}`;
    this.#next.set(stem, n);
    this.#taken.add(name);
    return `${name}${this.#extension}`;
  }
}
