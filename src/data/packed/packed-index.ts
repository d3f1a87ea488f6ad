/** The index of a packed folder: reads and checks it. */
import { openSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isTree } from '../../config/schema.js';
import { recoverPath, systemPath } from '../../files/file-names.js';
import type { MapKinds } from '../fields/example.js';
import type { SkippedImage } from '../files/image-files.js';
import { ImageDataError } from '../image-error.js';
import { contentHash } from '../split.js';
import {
  ListedEntries,
  recordBytes,
  RecordedEntries,
  type PackedEntries,
  type PackedEntry,
} from './packed-entries.js';
import type { PackedFile } from './shard-writer.js';

export const packFormat = 'tessera-images';
/** Version that is written; 1, whose index lists the images, is read, too. */
export const packVersion = 2;
export const indexFile = 'index.json';

/** Content of `index.json` in a packed folder. */
export interface PackIndex {
  format: typeof packFormat;
  version: 1 | typeof packVersion;
  /** Path of the images that were packed. */
  source: string;
  /** Length of every image's shorter side in pixels. */
  size: number;
  classes: string[];
  /** Maps of every image, in the order in which they follow its pixels. */
  maps?: MapKinds;
  /** True if the dataset's author fixed which images are held out. */
  splitMade: boolean;
  shards: PackedFile[];
  /** File with a record of each image. */
  records?: PackedFile;
  /** File with the names of the images, one after the other. */
  names?: PackedFile;
  /** Version 1: the images, instead of both files. */
  images?: PackedEntry[];
  skipped: SkippedImage[];
}

export const again = 'pack the images again with: npx tessera-torch data pack';

/** Reads the index of a packed folder. @throws ImageDataError with what is wrong with it */
export async function readIndex(path: string): Promise<PackIndex> {
  const file = join(await recoverPath(path), indexFile);
  let index: PackIndex;
  try {
    index = JSON.parse(await readFile(systemPath(file), 'utf8')) as PackIndex;
  } catch (cause) {
    const { message } = cause as Error;
    throw new ImageDataError(file, `the index of the packed images cannot be read (${message}); ${again}`, {
      cause,
    });
  }
  const wrong = whatIsWrong(index);
  if (wrong) throw new ImageDataError(file, `${wrong}; ${again}`);
  return index;
}

/** Opens the entries of the images in an index. @throws ImageDataError if they are damaged or outside their shards */
export async function openEntries(path: string, index: PackIndex): Promise<PackedEntries> {
  const entries = index.images ? new ListedEntries(index.images) : await recordedEntries(path, index);
  const wrong = whatIsOutside(index, entries);
  if (!wrong) return entries;
  entries.close();
  throw new ImageDataError(join(path, indexFile), `${wrong}; ${again}`);
}

async function recordedEntries(path: string, { records, names }: PackIndex): Promise<RecordedEntries> {
  for (const file of [records!, names!]) await checkLength(path, file);
  const file = join(path, records!.file);
  const bytes = await readFile(systemPath(file));
  if (contentHash(bytes) !== records!.sha256) {
    throw new ImageDataError(file, `its contents have changed since it was written; ${again}`);
  }
  return new RecordedEntries(bytes, openSync(systemPath(join(path, names!.file)), 'r'));
}

/** @throws ImageDataError if a file of a packed folder is missing or does not have its length */
export async function checkLength(path: string, { file, bytes }: PackedFile): Promise<void> {
  const place = join(path, file);
  const found = await stat(systemPath(place)).catch(() => null);
  if (found?.size === bytes) return;
  const state = found === null ? 'is missing' : `has ${found.size} bytes`;
  throw new ImageDataError(place, `${state}, the index says ${bytes} bytes; ${again}`);
}

function whatIsWrong(index: PackIndex): string | null {
  const { format, version, images, records, names } = index as {
    [key in keyof PackIndex]: unknown;
  };
  if (format !== packFormat) return `its format is ${String(format)}, expected ${packFormat}`;
  if (version !== 1 && version !== packVersion) {
    return `its version is ${String(version)}, this release reads 1 and ${packVersion}`;
  }
  if (!(Number.isSafeInteger(index.size) && index.size > 0)) return `its size is ${index.size}`;
  const listed = version === 1 ? Array.isArray(images) : isFile(records) && isFile(names);
  if (!listed || !Array.isArray(index.shards) || !Array.isArray(index.classes)) {
    return 'it has no lists of images, shards and classes';
  }
  if (!areMaps(index.maps)) return 'its maps are not { field: { labels } }';
  const count = version === 1 ? index.images!.length : index.records!.bytes / recordBytes;
  if (count === 0) return 'it lists no images';
  return Number.isSafeInteger(count) ? null : `its records have ${index.records!.bytes} bytes`;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;

/** Returns the first image that is not within its shard, or has an unknown class. */
function whatIsOutside(
  { size, classes, shards, maps = {} }: PackIndex,
  entries: PackedEntries,
): string | null {
  const depth = 3 + Object.keys(maps).length;
  for (let i = 0; i < entries.length; i++) {
    const { shard, offset, width, height, label } = entries.place(i);
    const whole = isCount(shard) && isCount(offset) && isCount(width) && isCount(height);
    const end = offset + width * height * depth;
    if (!whole || Math.min(width, height) < size || !(end <= (shards[shard]?.bytes ?? -1))) {
      return `image ${i} is outside its shard`;
    }
    if (label !== undefined && classes[label] === undefined)
      return `image ${i} has an unknown class: ${label}`;
  }
  return null;
}

/** True if a value describes a file of the folder. */
function isFile(value: unknown): value is PackedFile {
  return isTree(value) && typeof value['file'] === 'string' && Number.isSafeInteger(value['bytes']);
}

/** True if a value describes maps by field, or is absent. */
function areMaps(maps: unknown): boolean {
  if (maps === undefined) return true;
  const areLabels = (labels: unknown) =>
    labels === undefined || (Array.isArray(labels) && labels.every((label) => typeof label === 'string'));
  return isTree(maps) && Object.values(maps).every((kind) => isTree(kind) && areLabels(kind['labels']));
}
