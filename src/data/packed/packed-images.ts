import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { recoverPath, systemPath } from '../../files/file-names.js';
import type { Digests } from '../digests.js';
import type { MapKinds } from '../fields/example.js';
import { ImageDataError } from '../image-error.js';
import type { PictureStore } from '../image-source.js';
import type { PackedEntries } from './packed-entries.js';
import {
  again,
  checkLength,
  indexFile,
  openEntries,
  packFormat,
  readIndex,
  type PackIndex,
} from './packed-index.js';
import type { Picture } from '../pictures/picture.js';

/**
 * True if a path is a folder that `packImages` wrote.
 *
 * @example
 * ```ts
 * if (!(await isPacked('packed'))) await packImages({ path: 'photos', size: 64 }, 'packed');
 * ```
 */
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
 * Images of a packed folder: uint8 pixels, read by position and compared with their checksums. The memory that it takes
 * does not depend on their size; the records of a million images take 64 MB.
 *
 * @example
 * ```ts
 * const packed = await PackedImages.open('packed');
 * console.log(packed.length, packed.name(0));
 * await packed.close();
 * ```
 */
export class PackedImages implements PictureStore {
  /** Content of index.json: classes and shards. */
  readonly index: PackIndex;
  #path: string;
  #entries: PackedEntries;
  #shards: FileHandle[];

  private constructor(path: string, index: PackIndex, entries: PackedEntries, shards: FileHandle[]) {
    this.#path = path;
    this.index = index;
    this.#entries = entries;
    this.#shards = shards;
  }

  /**
   * Opens a packed folder.
   * @throws ImageDataError for an incomplete folder
   */
  static async open(given: string): Promise<PackedImages> {
    const path = await recoverPath(given);
    const index = await readIndex(path);
    const entries = await openEntries(path, index);
    const shards: FileHandle[] = [];
    try {
      for (const shard of index.shards) {
        await checkLength(path, shard);
        shards.push(await open(systemPath(join(path, shard.file)), 'r'));
      }
    } catch (error) {
      entries.close();
      await Promise.all(shards.map((shard) => shard.close()));
      throw error;
    }
    return new PackedImages(path, index, entries, shards);
  }

  /** Number of images. */
  get length(): number {
    return this.#entries.length;
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
    return this.#entries.name(index);
  }

  /** Returns the class index of an image, or undefined. */
  label(index: number): number | undefined {
    return this.#entries.label(index);
  }

  /** Returns the hash of an image's file, which identifies copies. */
  hash(index: number): string {
    return this.#entries.hash(index);
  }

  /** Hashes of all images as bytes; undefined for a folder of version 1. */
  get digests(): Digests | undefined {
    return this.#entries.digests;
  }

  /** Returns width and height of an image as it is packed. */
  sides(index: number): { width: number; height: number } {
    const { width, height } = this.#entries.place(index);
    return { width, height };
  }

  /** True if an image is always held out, as fixed by the dataset's author. */
  heldOut(index: number): boolean {
    return this.#entries.place(index).heldOut === true;
  }

  /**
   * Reads the pixels and maps of an image.
   * @throws ImageDataError if its shard is truncated, or its pixels do not have their checksum
   */
  async load(index: number): Promise<Picture> {
    const { shard, offset, width, height, checksum } = this.#entries.place(index);
    const area = width * height;
    const names = Object.keys(this.maps);
    const bytes = new Uint8Array(area * (3 + names.length));
    const { bytesRead } = await (this.#shards[shard] as FileHandle).read(bytes, 0, bytes.length, offset);
    const file = () => join(this.#path, this.index.shards[shard]?.file ?? '');
    if (bytesRead !== bytes.length) {
      throw new ImageDataError(file(), `ends before image ${index}; ${again}`);
    }
    if (checksum !== undefined && crc32(bytes) !== checksum) {
      const reason = `image ${index} (${this.name(index)}) has changed since it was written`;
      throw new ImageDataError(file(), `${reason}; ${again}`);
    }
    const mapAt = (i: number) => bytes.subarray(area * (3 + i), area * (4 + i));
    const maps = Object.fromEntries(names.map((name, i) => [name, mapAt(i)]));
    return { width, height, pixels: bytes.subarray(0, area * 3), ...(names.length > 0 && { maps }) };
  }

  /** Closes the shards; the images cannot be read afterwards. */
  async close(): Promise<void> {
    this.#entries.close();
    await Promise.all(this.#shards.splice(0).map((shard) => shard.close()));
  }
}
