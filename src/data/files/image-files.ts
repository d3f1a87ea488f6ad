import { totalmem } from 'node:os';
import { itemAt } from '../checks.js';
import { decodePicture, readHeader, scaledSize, type Samples } from '../pictures/decode.js';
import type { MapKind, MapKinds } from '../fields/example.js';
import type { FoundImages } from './find-images.js';
import { shownPath } from '../../files/file-names.js';
import { ImageDataError } from '../image-error.js';
import type { PictureStore } from '../image-source.js';
import { inParallel } from './in-parallel.js';
import { readMapOf } from '../pictures/map-file.js';
import type { Picture } from '../pictures/picture.js';
import { readWhole } from '../pictures/read-whole.js';
import { contentHash } from '../split.js';

/** Total number of pixels up to which a folder is decoded when it is opened: a few seconds on two cores. */
const decodeAtOnce = 2e9;

/** Length of a SHA-256 in bytes. */
const hashBytes = 32;

export type OnError = 'skip' | 'stop';

/** An image that was skipped, and the reason. */
export interface SkippedImage {
  /** Path; bytes that are not UTF-8 are lone surrogates, U+DC00 + byte. */
  path: string;
  reason: string;
}

export interface ImageFilesOptions {
  /** Length of the shorter side after scaling, in pixels. */
  size: number;
  /** Keep images larger than `size`, up to this length of the shorter side; default `size`. */
  detail?: number | undefined;
  /** Policy for files that cannot be decoded: report and skip them (`skip`, default), or throw (`stop`). */
  onError?: OnError;
  /** Decode all images before any is used; by default if there are few, or with `onError: 'stop'`. */
  decodeAll?: boolean;
  /** Size of the cache of decoded images in bytes, default 1 GiB or an eighth of the machine's memory. */
  cacheBytes?: number;
  /** Receives the progress of a piece of work: its name, and how much of it is done. */
  onProgress?: ((label: string, done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Keep the maps of built-in scenes, `segmentation` and `depth`, and read those that a list names; default false. */
  maps?: boolean;
}

/**
 * Images in files or archives, decoded on demand and cached while there is room. Besides the paths, 44 bytes an image are
 * kept.
 */
export class ImageFiles implements PictureStore {
  readonly classes: readonly string[];
  /** Maps of the images by field; none unless they are read. */
  readonly maps: MapKinds;
  /** Skipped files, in the order in which they were found. */
  readonly skipped: SkippedImage[] = [];
  /** True if every file has been decoded once. */
  decoded = false;
  readonly #found: FoundImages;
  /** Files that can be used, as places in `#found`, in which everything below is counted. */
  #files: readonly number[] = [];
  readonly #hashes: Buffer; // [files, 32]
  readonly #sides: Uint32Array; // [files, 2], width and height
  readonly #samples = new Map<number, Samples>();
  #size: number;
  #detail: number;
  #onError: OnError;
  #unreadable = new Set<number>();
  #cache = new Map<number, Picture>();
  #room: number;

  private constructor(found: FoundImages, options: ImageFilesOptions) {
    this.classes = found.classes;
    this.maps = options.maps ? (found.maps?.kinds ?? {}) : {};
    this.#found = found;
    this.#hashes = Buffer.alloc(found.files.length * hashBytes);
    this.#sides = new Uint32Array(found.files.length * 2);
    this.#size = options.size;
    this.#detail = options.detail ?? options.size;
    this.#onError = options.onError ?? 'skip';
    this.#room = options.cacheBytes ?? Math.min(2 ** 30, totalmem() / 8);
  }

  /**
   * Reads the header and the hash of every file, and decodes all if there are few.
   * @throws ImageDataError for a file that cannot be used with `onError: 'stop'`, or if none is left
   */
  static async open(path: string, found: FoundImages, options: ImageFilesOptions): Promise<ImageFiles> {
    const store = new ImageFiles(found, options);
    try {
      await store.#lookAll(path, options);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get length(): number {
    return this.#files.length;
  }

  name(index: number): string {
    return this.#found.files[this.#file(index)] as string;
  }

  label(index: number): number | undefined {
    return this.#found.labels[this.#file(index)];
  }

  hash(index: number): string {
    const from = this.#file(index) * hashBytes;
    return this.#hashes.toString('hex', from, from + hashBytes);
  }

  /** Returns width and height in pixels, after rotation by the EXIF orientation. */
  sides(index: number): { width: number; height: number } {
    return this.#sidesOf(this.#file(index));
  }

  load(index: number): Promise<Picture | null> | Picture {
    return this.#load(this.#file(index));
  }

  async close(): Promise<void> {
    this.#cache.clear();
    this.#room = 0;
    await this.#found.close?.();
  }

  async #lookAll(path: string, options: ImageFilesOptions): Promise<void> {
    const total = this.#found.files.length;
    const usable = await inParallel(total, (file) => this.#look(file), 'checking images', options);
    this.#files = [...usable.keys()].filter((file) => usable[file]);
    const pixels = this.#files.reduce((sum, file) => {
      const { width, height } = this.#sidesOf(file);
      return sum + width * height;
    }, 0);
    if (options.decodeAll ?? (options.onError === 'stop' || pixels <= decodeAtOnce)) {
      await this.#decodeAll(options);
    }
    if (this.#files.length > 0) return;
    const [first] = this.skipped;
    throw new ImageDataError(
      path,
      `none of its ${total} images can be used; the first: ${shownPath(first?.path ?? '')}: ${first?.reason}`,
    );
  }

  /** Reads header and hash of a file; false if it is skipped. */
  async #look(file: number): Promise<boolean> {
    const path = this.#found.files[file] as string;
    try {
      const bytes = (await this.#found.bytes?.(file)) ?? (await readWhole(path));
      const { width, height, samples } = await readHeader(path, bytes);
      this.#hashes.write(contentHash(bytes), file * hashBytes, 'hex');
      this.#sides.set([width, height], file * 2);
      if (samples) this.#samples.set(file, samples);
      return true;
    } catch (error) {
      this.#skip(file, error);
      return false;
    }
  }

  #load(file: number): Promise<Picture | null> | Picture {
    return this.#cache.get(file) ?? this.#decode(file);
  }

  async #decode(file: number): Promise<Picture | null> {
    if (this.#unreadable.has(file)) return null;
    try {
      const path = this.#found.files[file] as string;
      const sides = this.#sidesOf(file);
      const kept = Math.min(this.#detail, sides.width, sides.height);
      const [width, height] = scaledSize(sides, Math.max(this.#size, kept));
      const input = (await this.#found.bytes?.(file)) ?? path;
      const decoded = await decodePicture(path, width, height, input, this.#samples.get(file) ?? 'usual');
      const fields = Object.keys(this.maps);
      const picture = fields.length > 0 ? { ...decoded, maps: await this.#readMaps(file, decoded) } : decoded;
      const bytes = width * height * (3 + fields.length);
      if (bytes <= this.#room && !this.#cache.has(file)) {
        this.#room -= bytes;
        this.#cache.set(file, picture);
      }
      return picture;
    } catch (error) {
      this.#skip(file, error);
      return null;
    }
  }

  /** Reads the maps of an image at its decoded size. */
  async #readMaps(file: number, { width, height }: Picture): Promise<Record<string, Uint8Array>> {
    const read = async ([field, kind]: [string, MapKind]) => {
      const path = this.#found.maps!.files[field]![file] as string;
      return [field, await readMapOf(this.#sidesOf(file), path, [height, width], kind)] as const;
    };
    return Object.fromEntries(
      await Promise.all(Object.entries(this.maps).map(read)).catch((cause: Error) => {
        throw new ImageDataError(this.#found.files[file] as string, `its map ${cause.message}`, { cause });
      }),
    );
  }

  async #decodeAll(options: ImageFilesOptions): Promise<void> {
    const files = this.#files;
    const isReadable = async (i: number) => (await this.#load(files[i]!)) !== null;
    const readable = await inParallel(files.length, isReadable, 'decoding images', options);
    this.#files = files.filter((_, i) => readable[i]);
    this.decoded = true;
  }

  #skip(file: number, error: unknown): void {
    if (!(error instanceof ImageDataError)) throw error;
    const path = this.#found.files[file] as string;
    if (this.#onError === 'stop') {
      throw new ImageDataError(
        path,
        `${error.reason}. Repair or remove it, or skip such images with data.onError=skip`,
        { cause: error },
      );
    }
    if (this.#unreadable.has(file)) return;
    this.#unreadable.add(file);
    this.skipped.push({ path, reason: error.reason });
  }

  #sidesOf(file: number): { width: number; height: number } {
    return { width: this.#sides[file * 2]!, height: this.#sides[file * 2 + 1]! };
  }

  #file(index: number): number {
    return itemAt(this.#files, index);
  }
}
