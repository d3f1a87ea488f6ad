import { open } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { recoverPath } from '../../files/file-names.js';
import { syncFile } from '../../files/sync-file.js';
import { ImageDataError } from '../image-error.js';
import type { ImageFilesOptions, SkippedImage } from '../files/image-files.js';
import type { PictureStore } from '../image-source.js';
import { writeFolder } from '../files/new-folder.js';
import { isBuiltIn, openPart, type OpenedStore } from '../open-images.js';
import { EntryWriter, recordBytes } from './packed-entries.js';
import { isPacked } from './packed-images.js';
import { packFormat, packVersion, type PackIndex } from './packed-index.js';
import type { DataConfig } from '../settings.js';
import { ShardWriter } from './shard-writer.js';

/** Number of images decoded in parallel before they are written in order. */
const chunk = 32;

export interface PackOptions extends Pick<ImageFilesOptions, 'onProgress' | 'signal'> {
  /** Replace an existing packed folder; other folders are never replaced. */
  overwrite?: boolean;
  /** Maximum size of one file of pixels in bytes, default 256 MB. */
  shardBytes?: number;
  /** Pack the maps, too: `segmentation` and `depth` of built-in scenes, or those that a list names; default false. */
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
  const { onProgress, signal, maps = false } = options;
  if (await isPacked(config.path)) throw new ImageDataError(config.path, 'these images are packed already');
  return fillFolder(folder, options, async (partial) => {
    const once = { cacheBytes: 0, decodeAll: false }; // Every image is needed once, in order.
    const part = await openPart(config, { ...once, maps, onProgress, signal });
    try {
      if (maps && Object.keys(part.store.maps ?? {}).length === 0) {
        const reason =
          'these images have no maps to pack; the built-in scenes have segmentation and depth, and a .jsonl list may name some';
        throw new ImageDataError(config.path, reason);
      }
      const origin = await originOf(config, part);
      const index = await writePack(partial, part, { ...origin, size: config.size }, options);
      const { ignored, ignoredKinds } = part.report;
      return { ...figuresOf(index), ignored, ignoredKinds };
    } finally {
      await part.store.close();
    }
  });
}

/**
 * Packs the images of any store, such as one that makes them, without keeping them in memory: see `packImages`. Each
 * side of an image must be at least `size` pixels long, and a hash is a SHA-256 in hexadecimal. The store stays open.
 * @throws ImageDataError for unusable images, or a folder that must not be replaced
 *
 * @example
 * ```ts
 * const grey = { width: 8, height: 8, pixels: new Uint8Array(192).fill(128) };
 * const store = { length: 1, classes: [], name: () => 'grey', label: () => undefined, hash: () => '0'.repeat(64) };
 * await packStore({ ...store, load: () => grey, close: async () => {} }, 8, 'packed');
 * ```
 */
export async function packStore(
  store: PictureStore,
  size: number,
  folder: string,
  options: Omit<PackOptions, 'maps'> = {},
): Promise<PackReport> {
  return fillFolder(folder, options, async (partial) => {
    const part = { store, report: { skipped: [] }, split: null };
    const index = await writePack(
      partial,
      part,
      { given: folder, source: '', size, nameOf: (index: number) => store.name(index) },
      options,
    );
    return { ...figuresOf(index), ignored: 0, ignoredKinds: {} };
  });
}

type Packed = Pick<OpenedStore, 'store' | 'split'> & { report: Pick<OpenedStore['report'], 'skipped'> };

/** Origin of a packed folder's images. */
interface Origin {
  /** Path as the user gave it, for errors. */
  given: string;
  source: string;
  size: number;
  nameOf: (index: number) => string;
}

function fillFolder(
  folder: string,
  { overwrite = false }: PackOptions,
  fill: (partial: string) => Promise<PackReport>,
): Promise<PackReport> {
  const mayReplace = async () => {
    if (!(await isPacked(folder))) return false;
    if (overwrite) return true;
    throw new ImageDataError(folder, 'there are packed images here already; replace them with --overwrite');
  };
  return writeFolder(folder, mayReplace, fill);
}

async function originOf({ path: given }: DataConfig, { store, report }: OpenedStore) {
  if (isBuiltIn(given)) return { given, source: given, nameOf: (index: number) => store.name(index) };
  const path = await recoverPath(given);
  const root = report.kind === 'folder' ? path : dirname(path);
  return { given, source: resolve(path), nameOf: (index: number) => relative(root, store.name(index)) };
}

function figuresOf({ shards, records, skipped }: PackIndex) {
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return { images: records!.bytes / recordBytes, bytes, skipped };
}

async function writePack(
  folder: string,
  part: Packed,
  { given, source, size, nameOf }: Origin,
  options: PackOptions,
): Promise<PackIndex> {
  const { store, split, report } = part;
  const kinds = store.maps ?? {};
  const files = await writeImages(folder, part, nameOf, options);
  if (files.records.bytes === 0) throw new ImageDataError(given, 'none of its images can be decoded');
  const index: PackIndex = {
    format: packFormat,
    version: packVersion,
    source,
    size,
    classes: [...store.classes],
    ...(Object.keys(kinds).length > 0 && { maps: kinds }),
    splitMade: split !== null,
    ...files,
    skipped: report.skipped,
  };
  await writeIndex(folder, index);
  return index;
}

/** Writes the pixels, the records and the names. */
async function writeImages(
  folder: string,
  { store, split }: Packed,
  nameOf: Origin['nameOf'],
  { shardBytes = 2 ** 28, onProgress, signal }: PackOptions,
): Promise<Required<Pick<PackIndex, 'shards' | 'records' | 'names'>>> {
  const held = new Set(split?.heldOut);
  const writer = new ShardWriter(folder, (n) => `pixels-${String(n).padStart(5, '0')}.bin`, shardBytes);
  const entries = new EntryWriter(folder);
  const kinds = Object.keys(store.maps ?? {});
  let files: Awaited<ReturnType<EntryWriter['close']>>;
  try {
    for (let from = 0; from < store.length; from += chunk) {
      signal?.throwIfAborted();
      const items = Array.from({ length: Math.min(chunk, store.length - from) }, (_, i) => from + i);
      const pictures = await Promise.all(items.map(async (i) => store.load(i)));
      for (const [k, picture] of pictures.entries()) {
        if (picture === null) continue;
        const i = from + k;
        const { width, height, pixels, maps = {} } = picture;
        const bytes = Buffer.concat([pixels, ...kinds.map((name) => maps[name]!)]);
        const label = store.label(i);
        await entries.add({
          name: nameOf(i),
          hash: store.hash(i),
          ...(await writer.write(bytes)),
          width,
          height,
          checksum: crc32(bytes),
          ...(label !== undefined && { label }),
          ...(held.has(i) && { heldOut: true as const }),
        });
      }
      onProgress?.('packing images', Math.min(from + chunk, store.length), store.length);
    }
  } finally {
    files = await entries.close();
    await writer.close();
  }
  return { shards: writer.shards, ...files };
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
