import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { recoverPath, systemPath } from '../files/file-names.js';
import { itemAt } from './checks.js';
import { ImageDataError } from './image-error.js';
import type { MapKinds } from './example.js';
import type { PictureStore } from './image-source.js';
import type { SkippedImage } from './image-files.js';
import type { Picture } from './picture.js';

export const packFormat = 'tessera-images';
export const packVersion = 1;
const indexFile = 'index.json';

export interface PackedEntry {
  name: string;
  hash: string;
  shard: number;
  /** Byte offset in the shard of its pixels [height, width, 3], followed by its maps, [height, width] each. */
  offset: number;
  width: number;
  height: number;
  label?: number;
  /** Always held out, as fixed by the dataset's author. */
  heldOut?: true;
}

/** Content of `index.json` in a packed folder. */
export interface PackIndex {
  format: typeof packFormat;
  version: typeof packVersion;
  /** Path of the images that were packed. */
  source: string;
  /** Length of every image's shorter side in pixels. */
  size: number;
  classes: string[];
  /** Maps of every image, in the order in which they follow its pixels. */
  maps?: MapKinds;
  /** True if the dataset's author fixed which images are held out. */
  splitMade: boolean;
  shards: { file: string; bytes: number; sha256: string }[];
  images: PackedEntry[];
  skipped: SkippedImage[];
}

/** True if a path is a folder that `packImages` wrote. */
export async function isPacked(path: string): Promise<boolean> {
  const file = systemPath(join(await recoverPath(path), indexFile));
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.startsWith(`{"format":"${packFormat}"`);
}

/** Returns the shorter side of the images in a packed folder; undefined for any other path. */
export async function packedSize(path: string): Promise<number | undefined> {
  return (await isPacked(path)) ? (await readIndex(path)).size : undefined;
}

/**
 * Images of a packed folder: uint8 pixels, read by position.
 *
 * @example
 * ```ts
 * const packed = await PackedImages.open('packed');
 * console.log(packed.length, packed.name(0));
 * await packed.close();
 * ```
 */
export class PackedImages implements PictureStore {
  /** Content of index.json: images, classes and shards. */
  readonly index: PackIndex;
  #path: string;
  #shards: FileHandle[];

  private constructor(path: string, index: PackIndex, shards: FileHandle[]) {
    this.#path = path;
    this.index = index;
    this.#shards = shards;
  }

  /**
   * Opens a packed folder.
   * @throws ImageDataError for an incomplete folder
   */
  static async open(given: string): Promise<PackedImages> {
    const path = await recoverPath(given);
    const index = await readIndex(path);
    const shards: FileHandle[] = [];
    try {
      for (const { file, bytes } of index.shards) {
        const shard = join(path, file);
        const found = await stat(systemPath(shard)).catch(() => null);
        if (found?.size !== bytes) {
          const state = found === null ? 'is missing' : `has ${found.size} bytes`;
          throw new ImageDataError(shard, `${state}, the index says ${bytes} bytes; ${again}`);
        }
        shards.push(await open(systemPath(shard), 'r'));
      }
    } catch (error) {
      await Promise.all(shards.map((shard) => shard.close()));
      throw error;
    }
    return new PackedImages(path, index, shards);
  }

  /** Number of images. */
  get length(): number {
    return this.index.images.length;
  }

  /** Names of the classes; empty if there are none. */
  get classes(): readonly string[] {
    return this.index.classes;
  }

  /** Maps of the images by field; empty if they were packed without maps. */
  get maps(): MapKinds {
    return this.index.maps ?? {};
  }

  /** Returns the name of an image: its path in the original folder. */
  name(index: number): string {
    return this.#entry(index).name;
  }

  /** Returns the class index of an image, or undefined. */
  label(index: number): number | undefined {
    return this.#entry(index).label;
  }

  /** Returns the hash of an image's file, which identifies copies. */
  hash(index: number): string {
    return this.#entry(index).hash;
  }

  /**
   * Reads the pixels and maps of an image.
   * @throws ImageDataError if its shard is truncated
   */
  async load(index: number): Promise<Picture> {
    const { shard, offset, width, height } = this.#entry(index);
    const area = width * height;
    const names = Object.keys(this.maps);
    const bytes = new Uint8Array(area * (3 + names.length));
    const { bytesRead } = await (this.#shards[shard] as FileHandle).read(bytes, 0, bytes.length, offset);
    if (bytesRead !== bytes.length) {
      throw new ImageDataError(
        join(this.#path, this.index.shards[shard]?.file ?? ''),
        `ends before image ${index}; ${again}`,
      );
    }
    const mapAt = (i: number) => bytes.subarray(area * (3 + i), area * (4 + i));
    const maps = Object.fromEntries(names.map((name, i) => [name, mapAt(i)]));
    return { width, height, pixels: bytes.subarray(0, area * 3), ...(names.length > 0 && { maps }) };
  }

  /** Closes the shards; the images cannot be read afterwards. */
  async close(): Promise<void> {
    await Promise.all(this.#shards.splice(0).map((shard) => shard.close()));
  }

  #entry(index: number): PackedEntry {
    return itemAt(this.index.images, index);
  }
}

const again = 'pack the images again with: npx tessera-torch data pack';

async function readIndex(path: string): Promise<PackIndex> {
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

function whatIsWrong(index: PackIndex): string | null {
  const { format, version }: { format: unknown; version: unknown } = index;
  if (format !== packFormat) return `its format is ${String(format)}, expected ${packFormat}`;
  if (version !== packVersion) return `its version is ${String(version)}, this release reads ${packVersion}`;
  if (!(Number.isSafeInteger(index.size) && index.size > 0)) return `its size is ${index.size}`;
  if (!Array.isArray(index.images) || !Array.isArray(index.shards) || !Array.isArray(index.classes)) {
    return 'it has no lists of images, shards and classes';
  }
  if (!areMaps(index.maps)) return 'its maps are not { field: { labels } }';
  if (index.images.length === 0) return 'it lists no images';
  for (const [i, image] of index.images.entries()) {
    const { shard, offset, width, height, label } = image;
    const whole = [shard, offset, width, height].every((value) => Number.isSafeInteger(value) && value >= 0);
    const end = offset + width * height * (3 + Object.keys(index.maps ?? {}).length);
    if (!whole || Math.min(width, height) < index.size || !(end <= (index.shards[shard]?.bytes ?? -1))) {
      return `image ${i} is outside its shard`;
    }
    if (label !== undefined && index.classes[label] === undefined)
      return `image ${i} has an unknown class: ${label}`;
  }
  return null;
}

/** True if a value describes maps by field, or is absent. */
function areMaps(maps: unknown): boolean {
  if (maps === undefined) return true;
  const isRecord = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const areLabels = (labels: unknown) =>
    labels === undefined || (Array.isArray(labels) && labels.every((label) => typeof label === 'string'));
  return (
    isRecord(maps) &&
    Object.values(maps as MapKinds).every((kind) => isRecord(kind) && areLabels(kind.labels))
  );
}
