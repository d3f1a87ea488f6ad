import type { Dirent } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pictureExtensions } from './decode.js';
import { decodeName, recoverPath, shownPath, systemPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import { decodeText } from './text-file.js';

export interface FoundImages {
  kind: 'folder' | 'list';
  /** Paths in a fixed order, as strings that `systemPath` takes. */
  files: string[];
  /** Class of each file, or empty where there are no classes. */
  labels: number[];
  /** Names of the classes: the sub-folders, by name. */
  classes: string[];
  /** Files passed over because their names are not those of pictures: how many with each extension, in small letters. */
  ignored: Record<string, number>;
}

/**
 * Finds pictures by their names' extensions: in a folder and all folders below it (hidden ones passed over), or in
 * a text file with one path a line, relative to that file. Where every picture of a folder lies in one of several
 * sub-folders, these are the classes.
 * @throws ImageDataError for a missing path, or one without pictures
 */
export async function findImages(given: string): Promise<FoundImages> {
  const path = await recoverPath(given);
  const found = await stat(systemPath(path)).catch((cause: NodeJS.ErrnoException) => {
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
  const ignored: Record<string, number> = {};
  await walk(path, files, ignored, new Set());
  if (files.length === 0) {
    const count = countOf(ignored);
    const others = count === 0 ? '' : ` (other files: ${count}). They are: ${describeIgnored(ignored)}`;
    throw new ImageDataError(
      path,
      `there are no pictures here or in its sub-folders${others}. Looked for ${[...pictureExtensions].join(' ')}; ` +
        'name another folder, or try the built-in pictures: scenes, emoji',
    );
  }
  files.sort(); // By code units: the same order on every machine.
  return { kind: 'folder', files, ignored, ...classesOf(path, files) };
}

/**
 * Follows links to folders. One that was seen is not entered again, so that links may form circles; but each folder at
 * the top counts for itself, as two classes may be links to the same pictures.
 */
async function walk(
  folder: string,
  files: string[],
  ignored: Record<string, number>,
  seen: Set<string>,
): Promise<void> {
  const top = seen.size === 0;
  for (const entry of await entriesOf(folder, seen)) {
    const name = decodeName(entry.name);
    if (name.startsWith('.') || name === '__MACOSX') continue;
    const path = join(folder, name);
    const extension = extname(name).toLowerCase();
    if (await isFolder(entry, path)) await walk(path, files, ignored, top ? new Set(seen) : seen);
    else if (pictureExtensions.has(extension)) files.push(path);
    else ignored[extension] = (ignored[extension] ?? 0) + 1;
  }
}

/** What is in a folder that was not seen before, in a fixed order. */
async function entriesOf(folder: string, seen: Set<string>): Promise<Dirent<Buffer>[]> {
  try {
    const real = decodeName(await realpath(systemPath(folder), { encoding: 'buffer' }));
    if (seen.has(real)) return [];
    seen.add(real);
    const entries = await readdir(systemPath(folder), { withFileTypes: true, encoding: 'buffer' });
    // In the order of their bytes, also where they come as text.
    const bytesOf = ({ name }: Dirent<Buffer>) => Buffer.from(name);
    return entries.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
  } catch (cause) {
    throw new ImageDataError(folder, `the folder cannot be read (${(cause as Error).message})`, { cause });
  }
}

async function isFolder(entry: Dirent<Buffer>, path: string): Promise<boolean> {
  // Some file systems do not say what an entry is.
  if (!entry.isSymbolicLink() && (entry.isFile() || entry.isDirectory())) return entry.isDirectory();
  // A link to nowhere counts as a file: reading it tells why it fails.
  return stat(systemPath(path)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

/** Names of pictures that are not read, and must be converted. */
const otherPictures: ReadonlySet<string> = new Set(
  '.bmp .heic .heif .jxl .jp2 .psd .tga .svg .exr .hdr .ppm .pgm .pnm .ico .dng .cr2 .nef .arw .raw'.split(
    ' ',
  ),
);

type Ignored = Readonly<Record<string, number>>;

/** How many files were passed over. */
export function countOf(ignored: Ignored): number {
  return Object.values(ignored).reduce((sum, count) => sum + count, 0);
}

/** What is said of files that were passed over, where any were. */
export function passedOver(ignored: Ignored): string[] {
  const count = countOf(ignored);
  if (count === 0) return [];
  return [`other files, passed over because of their names: ${count} (${describeIgnored(ignored)})`];
}

/** Whether there are pictures of kinds that are not read among files that were passed over. */
export function hasOtherPictures(ignored: Ignored): boolean {
  return Object.keys(ignored).some((extension) => otherPictures.has(extension));
}

/** Files that were passed over, as `3 .bmp, 1 .txt`, with a word on pictures that must be converted. */
function describeIgnored(ignored: Ignored): string {
  const kinds = Object.entries(ignored).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const shown = kinds
    .slice(0, 6)
    .map(([extension, count]) => `${count} ${shownPath(extension) || 'without extension'}`);
  const rest = kinds.slice(6).reduce((sum, [, count]) => sum + count, 0);
  const convert = hasOtherPictures(ignored)
    ? '; pictures of these kinds are read once they are PNG or JPEG files'
    : '';
  return `${[...shown, ...(rest > 0 ? [`${rest} others`] : [])].join(', ')}${convert}`;
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
  return { classes: names.map(shownPath), labels: folders.map((name) => rank.get(name as string) as number) };
}

async function readList(path: string): Promise<FoundImages> {
  const bytes = await readFile(systemPath(path)).catch((cause: Error) => {
    throw new ImageDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const text = decodeText(bytes);
  if (typeof text !== 'string') {
    throw new ImageDataError(path, `this is ${text.kind}; a list is a text file with one path a line`);
  }
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  const names = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (names.length === 0) {
    throw new ImageDataError(
      path,
      'this list names no pictures; write one path a line, relative to the list',
    );
  }
  const files = names.map((name) => (isAbsolute(name) ? name : resolve(dirname(path), name)));
  return { kind: 'list', files: [...new Set(files)], labels: [], classes: [], ignored: {} };
}
