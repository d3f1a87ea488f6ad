import type { Dirent } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pictureExtensions } from './decode.js';
import { ImageDataError } from './image-error.js';

export interface FoundImages {
  kind: 'folder' | 'list';
  /** Paths in a fixed order. */
  files: string[];
  /** Class of each file, or empty where there are no classes. */
  labels: number[];
  /** Names of the classes: the sub-folders, by name. */
  classes: string[];
  /** Files passed over because their names are not those of pictures. */
  ignored: number;
}

/**
 * Finds pictures by their names' extensions: in a folder and all folders below it (hidden ones passed over), or in
 * a text file with one path a line, relative to that file. Where every picture of a folder lies in one of several
 * sub-folders, these are the classes.
 * @throws ImageDataError for a missing path, or one without pictures
 */
export async function findImages(path: string): Promise<FoundImages> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const reason =
      cause.code === 'ENOENT' ? 'there is no such folder or list file' : `cannot be read (${cause.message})`;
    throw new ImageDataError(path, reason, { cause });
  });
  if (found.isDirectory()) return findInFolder(path);
  if (['.txt', '.lst', '.list'].includes(extname(path).toLowerCase())) return readList(path);
  throw new ImageDataError(
    path,
    'this is no folder; name a folder of pictures, or a .txt file with one path a line',
  );
}

async function findInFolder(path: string): Promise<FoundImages> {
  const files: string[] = [];
  const tally = { ignored: 0 };
  await walk(path, files, tally, new Set());
  if (files.length === 0) {
    const others = tally.ignored === 0 ? '' : ` (other files: ${tally.ignored})`;
    throw new ImageDataError(
      path,
      `there are no pictures here or in its sub-folders${others}. Looked for ${[...pictureExtensions].join(' ')}; ` +
        'name another folder, or try the built-in pictures: scenes, emoji',
    );
  }
  files.sort(); // By code units: the same order on every machine.
  return { kind: 'folder', files, ignored: tally.ignored, ...classesOf(path, files) };
}

/** Follows links to folders; one that was seen is not entered again, so that links may form circles. */
async function walk(
  folder: string,
  files: string[],
  tally: { ignored: number },
  seen: Set<string>,
): Promise<void> {
  const real = await realpath(folder);
  if (seen.has(real)) return;
  seen.add(real);
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new ImageDataError(folder, `the folder cannot be read (${cause.message})`, { cause });
  });
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue;
    const path = join(folder, entry.name);
    if (await isFolder(entry, path)) await walk(path, files, tally, seen);
    else if (pictureExtensions.has(extname(entry.name).toLowerCase())) files.push(path);
    else tally.ignored++;
  }
}

async function isFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  // A link to nowhere counts as a file: reading it tells why it fails.
  return stat(path).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

function classesOf(root: string, files: readonly string[]): { labels: number[]; classes: string[] } {
  const folders = files.map((file) => {
    const parts = relative(root, file).split(sep);
    return parts.length > 1 ? parts[0] : undefined;
  });
  const classes = [...new Set(folders)];
  if (classes.length < 2 || classes.includes(undefined)) return { labels: [], classes: [] };
  const names = (classes as string[]).sort();
  const rank = new Map(names.map((name, i) => [name, i]));
  return { classes: names, labels: folders.map((name) => rank.get(name as string) as number) };
}

async function readList(path: string): Promise<FoundImages> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new ImageDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const names = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (names.length === 0) {
    throw new ImageDataError(
      path,
      'this list names no pictures; write one path a line, relative to the list',
    );
  }
  const files = names.map((name) => (isAbsolute(name) ? name : resolve(dirname(path), name)));
  return { kind: 'list', files: [...new Set(files)], labels: [], classes: [], ignored: 0 };
}
