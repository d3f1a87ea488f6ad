import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { syncAndClose, syncFile } from '../files/sync-file.js';
import { recoverPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import type { ImageFilesOptions, SkippedImage } from './image-files.js';
import { writeFolder } from './new-folder.js';
import { isBuiltIn, openPart, type OpenedStore } from './open-images.js';
import { isPacked, packFormat, packVersion, type PackedEntry, type PackIndex } from './packed-images.js';
import type { DataConfig } from './settings.js';

/** Number of images decoded in parallel before they are written in order. */
const chunk = 32;

export interface PackOptions extends Pick<ImageFilesOptions, 'onProgress' | 'signal'> {
  /** Replace an existing packed folder; other folders are never replaced. */
  overwrite?: boolean;
  /** Maximum size of one file of pixels in bytes, default 256 MB. */
  shardBytes?: number;
  /** Pack the maps of built-in scenes too, the fields `segmentation` and `depth`; default false. */
  maps?: boolean;
}

export interface PackReport {
  images: number;
  bytes: number;
  skipped: SkippedImage[];
  /** Number of files ignored because of their extension, in total and by extension. */
  ignored: number;
  ignoredKinds: Readonly<Record<string, number>>;
}

/**
 * Decodes images once into a folder of uint8 pixels (the shorter side scaled to `size`) and an index. `openImages`
 * reads it instead of the image files, with the same images held out. The folder appears under its name only when
 * complete.
 * @throws ImageDataError for unusable images, or a folder that must not be replaced
 *
 * @example
 * ```ts
 * await packImages({ path: 'photos', size: 64 }, 'packed');
 * const { train, close } = await openImages({ path: 'packed', size: 64 });
 * ```
 */
export async function packImages(
  config: DataConfig,
  folder: string,
  options: PackOptions = {},
): Promise<PackReport> {
  const { onProgress, signal, overwrite = false, maps = false } = options;
  if (await isPacked(config.path)) throw new ImageDataError(config.path, 'these images are packed already');
  const mayReplace = async () => {
    if (!(await isPacked(folder))) return false;
    if (overwrite) return true;
    throw new ImageDataError(folder, 'there are packed images here already; replace them with --overwrite');
  };
  return writeFolder(folder, mayReplace, async (partial) => {
    const once = { cacheBytes: 0, decodeAll: false }; // Every image is needed once, in order.
    const part = await openPart(config, { ...once, maps, onProgress, signal });
    try {
      if (maps && Object.keys(part.store.maps ?? {}).length === 0) {
        const reason = 'these images have no maps to pack; the built-in scenes have segmentation and depth';
        throw new ImageDataError(config.path, reason);
      }
      const index = await writeShards(partial, config, part, options);
      await writeIndex(partial, index);
      const bytes = index.shards.reduce((sum, shard) => sum + shard.bytes, 0);
      const { ignored, ignoredKinds } = part.report;
      return { images: index.images.length, bytes, skipped: index.skipped, ignored, ignoredKinds };
    } finally {
      await part.store.close();
    }
  });
}

async function writeShards(
  folder: string,
  config: DataConfig,
  { store, report, split }: OpenedStore,
  { shardBytes = 2 ** 28, onProgress, signal }: PackOptions,
): Promise<PackIndex> {
  const held = new Set(split?.heldOut);
  const path = await recoverPath(config.path);
  const root = report.kind === 'list' ? dirname(path) : path;
  const images: PackedEntry[] = [];
  const writer = new ShardWriter(folder, shardBytes);
  const kinds = store.maps ?? {};
  try {
    for (let from = 0; from < store.length; from += chunk) {
      signal?.throwIfAborted();
      const items = Array.from({ length: Math.min(chunk, store.length - from) }, (_, i) => from + i);
      const pictures = await Promise.all(items.map(async (i) => store.load(i)));
      for (const [k, picture] of pictures.entries()) {
        if (picture === null) continue;
        const i = from + k;
        const { width, height, pixels, maps = {} } = picture;
        const label = store.label(i);
        images.push({
          name: isBuiltIn(config.path) ? store.name(i) : relative(root, store.name(i)),
          hash: store.hash(i),
          ...(await writer.write(Buffer.concat([pixels, ...Object.keys(kinds).map((name) => maps[name]!)]))),
          width,
          height,
          ...(label !== undefined && { label }),
          ...(held.has(i) && { heldOut: true as const }),
        });
      }
      onProgress?.('packing images', Math.min(from + chunk, store.length), store.length);
    }
    if (images.length === 0) {
      throw new ImageDataError(config.path, 'none of its images can be decoded');
    }
  } finally {
    await writer.close();
  }
  const { size } = config;
  const classes = [...store.classes];
  const { shards } = writer;
  const source = isBuiltIn(config.path) ? config.path : resolve(path);
  return {
    format: packFormat,
    version: packVersion,
    source,
    size,
    classes,
    ...(Object.keys(kinds).length > 0 && { maps: kinds }),
    splitMade: split !== null,
    shards,
    images,
    skipped: report.skipped,
  };
}

/** Writes images one after the other into files of limited size. */
class ShardWriter {
  readonly shards: PackIndex['shards'] = [];
  #folder: string;
  #most: number;
  #file: FileHandle | null = null;
  #hash = createHash('sha256');

  constructor(folder: string, most: number) {
    this.#folder = folder;
    this.#most = most;
  }

  async write(bytes: Uint8Array): Promise<{ shard: number; offset: number }> {
    let shard = this.shards.at(-1);
    if (this.#file === null || shard === undefined || shard.bytes + bytes.length > this.#most) {
      await this.close();
      const file = `pixels-${String(this.shards.length).padStart(5, '0')}.bin`;
      this.#file = await open(join(this.#folder, file), 'wx');
      this.#hash = createHash('sha256');
      shard = { file, bytes: 0, sha256: '' };
      this.shards.push(shard);
    }
    const offset = shard.bytes;
    await this.#file.writeFile(bytes); // Appends, and writes all of it or fails.
    this.#hash.update(bytes);
    shard.bytes += bytes.length;
    return { shard: this.shards.length - 1, offset };
  }

  async close(): Promise<void> {
    if (this.#file === null) return;
    const file = this.#file;
    this.#file = null;
    (this.shards.at(-1) as PackIndex['shards'][number]).sha256 = this.#hash.digest('hex');
    await syncAndClose(file);
  }
}

async function writeIndex(folder: string, index: PackIndex): Promise<void> {
  const file = await open(join(folder, 'index.json'), 'wx');
  try {
    await file.writeFile(`${JSON.stringify(index)}\n`);
    await syncFile(file);
  } finally {
    await file.close();
  }
}
