import type { Dirent } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pictureExtensions } from '../pictures/decode.js';
import { decodeName, recoverPath, shownPath, systemPath } from '../../files/file-names.js';
import type { MapKinds } from '../fields/example.js';
import { ImageDataError, unreadable } from '../image-error.js';
import { isRecordList, readRecords } from './image-records.js';
import { decodeText } from './text-file.js';

export interface FoundImages {
  kind: 'folder' | 'list' | 'tar';
  /** Paths in a fixed order, as strings that `systemPath` takes. */
  files: string[];
  /** Class of each file, or empty if there are no classes. */
  labels: readonly number[];
  /** Names of the classes: the sub-folders, sorted. */
  classes: string[];
  /** Number of files ignored because of their extension, by extension in lower case. */
  ignored: Record<string, number>;
  /** Maps of each image: their kinds, and a file for each image, by field. */
  maps?: { kinds: MapKinds; files: Readonly<Record<string, readonly string[]>> };
  /** Reads the bytes of a file by its place in `files`, for files that are not on the file system. */
  bytes?: (file: number) => Promise<Uint8Array>;
  /** Closes what `bytes` reads from. */
  close?: () => Promise<void>;
}

/**
 * Finds images by their extensions: in a folder and all folders below it except hidden ones, or in a text file with
 * one path per line, relative to that file, or in a list of records (see `readRecords`). If every image of a folder is in one of several sub-folders, these are the
 * classes.
 * @throws ImageDataError for a missing path, or one without images
 */
export async function findImages(given: string): Promise<FoundImages> {
  const path = await recoverPath(given);
  const reasons = { ENOENT: 'there is no such folder or list file' };
  const found = await stat(systemPath(path)).catch(unreadable(path, reasons));
  if (found.isDirectory()) return findInFolder(path);
  if (isRecordList(path)) return readRecords(path);
  if (isImageList(path)) return readList(path);
  throw new ImageDataError(
    path,
    'this is not a folder; name a folder of images, a .txt file with one path per line, or a .jsonl, .csv or .tsv list',
  );
}

/** True if a file is a list of images by its extension. */
export function isImageList(path: string): boolean {
  return ['.txt', '.lst', '.list'].includes(extname(path).toLowerCase()) || isRecordList(path);
}

async function findInFolder(path: string): Promise<FoundImages> {
  const files: string[] = [];
  const ignored: Record<string, number> = {};
  await walk(path, files, ignored, new Set());
  if (files.length === 0 && (ignored['.npy'] ?? 0) > 0) {
    // Next to images they may be anything, such as features.
    delete ignored['.npy'];
    await walk(path, files, {}, new Set(), new Set(['.npy']));
  }
  if (files.length === 0) {
    const count = countOf(ignored);
    const others = count === 0 ? '' : ` (other files: ${count}). They are: ${describeIgnored(ignored)}`;
    throw new ImageDataError(
      path,
      `there are no images here or in its sub-folders${others}. Looked for ${[...pictureExtensions].join(' ')}; ` +
        'name another folder, or try the built-in images: scenes, emoji',
    );
  }
  files.sort(); // By code units, for the same order on every machine.
  return { kind: 'folder', files, ignored, ...classesOf(path, files) };
}

/**
 * Collects files, following links to folders. Does not enter a folder twice, so that links may form cycles; but treats
 * each top-level folder separately, as two classes may be links to the same images.
 */
async function walk(
  folder: string,
  files: string[],
  ignored: Record<string, number>,
  seen: Set<string>,
  extensions: ReadonlySet<string> = pictureExtensions,
): Promise<void> {
  const top = seen.size === 0;
  for (const entry of await entriesOf(folder, seen)) {
    const name = decodeName(entry.name);
    if (name.startsWith('.') || name === '__MACOSX') continue;
    const path = join(folder, name);
    const extension = extname(name).toLowerCase();
    if (await isFolder(entry, path)) {
      await walk(path, files, ignored, top ? new Set(seen) : seen, extensions);
    } else if (extensions.has(extension)) files.push(path);
    else ignored[extension] = (ignored[extension] ?? 0) + 1;
  }
}

/** Returns the entries of a folder in a fixed order; none if the folder was seen before. */
async function entriesOf(folder: string, seen: Set<string>): Promise<Dirent<Buffer>[]> {
  try {
    const real = decodeName(await realpath(systemPath(folder), { encoding: 'buffer' }));
    if (seen.has(real)) return [];
    seen.add(real);
    const entries = await readdir(systemPath(folder), { withFileTypes: true, encoding: 'buffer' });
    // Sorted by their bytes, even if the names are strings.
    const bytesOf = ({ name }: Dirent<Buffer>) => Buffer.from(name);
    return entries.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
  } catch (cause) {
    throw new ImageDataError(folder, `the folder cannot be read (${(cause as Error).message})`, { cause });
  }
}

async function isFolder(entry: Dirent<Buffer>, path: string): Promise<boolean> {
  // Some file systems do not report the type of an entry.
  if (!entry.isSymbolicLink() && (entry.isFile() || entry.isDirectory())) return entry.isDirectory();
  // A broken link counts as a file: reading it reports why it fails.
  return stat(systemPath(path)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

/** Extensions of image formats that are not supported and must be converted. */
const otherPictures: ReadonlySet<string> = new Set(
  '.bmp .heic .heif .jxl .jp2 .psd .tga .svg .exr .hdr .ppm .pgm .pnm .ico .dng .cr2 .nef .arw .raw'.split(
    ' ',
  ),
);

type Ignored = Readonly<Record<string, number>>;

/** Returns the number of ignored files. */
export function countOf(ignored: Ignored): number {
  return Object.values(ignored).reduce((sum, count) => sum + count, 0);
}

/** Returns a line that reports the ignored files; none if there are no such files. */
export function passedOver(ignored: Ignored): string[] {
  const count = countOf(ignored);
  if (count === 0) return [];
  return [`other files, ignored because of their extension: ${count} (${describeIgnored(ignored)})`];
}

/** True if the ignored files include images in formats that are not supported. */
export function hasOtherPictures(ignored: Ignored): boolean {
  return Object.keys(ignored).some((extension) => otherPictures.has(extension));
}

/** Formats ignored files as `3 .bmp, 1 .txt`, with a hint if there are images to convert. */
function describeIgnored(ignored: Ignored): string {
  const kinds = Object.entries(ignored).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const shown = kinds
    .slice(0, 6)
    .map(([extension, count]) => `${count} ${shownPath(extension) || 'without extension'}`);
  const rest = kinds.slice(6).reduce((sum, [, count]) => sum + count, 0);
  const convert = hasOtherPictures(ignored) ? '; convert images of these formats to PNG or JPEG' : '';
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
  const bytes = await readFile(systemPath(path)).catch(unreadable(path));
  const text = decodeText(bytes);
  if (typeof text !== 'string') {
    throw new ImageDataError(path, `this is ${text.kind}; a list is a text file with one path per line`);
  }
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  const names = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (names.length === 0) {
    throw new ImageDataError(path, 'this list is empty; write one image path per line, relative to the list');
  }
  const files = names.map((name) => (isAbsolute(name) ? name : resolve(dirname(path), name)));
  return { kind: 'list', files: [...new Set(files)], labels: [], classes: [], ignored: {} };
}
