import { totalmem } from 'node:os';
import { itemAt } from './checks.js';
import { decodePicture, readHeader, scaledSize, type PictureHeader } from './decode.js';
import type { FoundImages } from './find-images.js';
import { shownPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import type { PictureStore } from './image-source.js';
import { inParallel } from './in-parallel.js';
import type { Picture } from './picture.js';
import { readWhole } from './read-whole.js';
import { contentHash } from './split.js';

/** Total number of pixels up to which a folder is decoded when it is opened: a few seconds on two cores. */
const decodeAtOnce = 2e9;

export type OnError = 'skip' | 'stop';

/** An image that was skipped, and why. */
export interface SkippedImage {
  /** Path; bytes that are not UTF-8 are lone surrogates, U+DC00 + byte. */
  path: string;
  reason: string;
}

export interface ImageFilesOptions {
  /** Length of the shorter side after scaling, in pixels. */
  size: number;
  /** What to do with a file that cannot be decoded: report and skip it (`skip`, default), or throw (`stop`). */
  onError?: OnError;
  /** Decode all images before any is used; by default if there are few, or with `onError: 'stop'`. */
  decodeAll?: boolean;
  /** Size of the cache of decoded images in bytes, default 1 GiB or an eighth of the machine's memory. */
  cacheBytes?: number;
  /** Receives the progress of a piece of work: its name, and how much of it is done. */
  onProgress?: ((label: string, done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface ImageFile extends PictureHeader {
  path: string;
  hash: string;
  label: number | undefined;
}

/** Images in files, decoded on demand and cached while there is room. */
export class ImageFiles implements PictureStore {
  readonly classes: readonly string[];
  /** Skipped files, in the order in which they were found. */
  readonly skipped: SkippedImage[] = [];
  /** True if every file has been decoded once. */
  decoded = false;
  #files: ImageFile[] = [];
  #size: number;
  #onError: OnError;
  #unreadable = new Set<string>();
  #cache = new Map<string, Picture>();
  #room: number;

  private constructor(classes: readonly string[], options: ImageFilesOptions) {
    this.classes = classes;
    this.#size = options.size;
    this.#onError = options.onError ?? 'skip';
    this.#room = options.cacheBytes ?? Math.min(2 ** 30, totalmem() / 8);
  }

  /**
   * Reads the header and the hash of every file, and decodes all if there are few.
   * @throws ImageDataError for a file that cannot be used with `onError: 'stop'`, or if none is left
   */
  static async open(path: string, found: FoundImages, options: ImageFilesOptions): Promise<ImageFiles> {
    const store = new ImageFiles(found.classes, options);
    const total = found.files.length;
    const look = (i: number) => store.#look(found.files[i] as string, found.labels[i]);
    const looked = await inParallel(total, look, 'checking images', options);
    store.#files = looked.filter((file) => file !== null);
    const pixels = store.#files.reduce((sum, { width, height }) => sum + width * height, 0);
    if (options.decodeAll ?? (options.onError === 'stop' || pixels <= decodeAtOnce)) {
      await store.#decodeAll(options);
    }
    if (store.#files.length === 0) {
      const [first] = store.skipped;
      throw new ImageDataError(
        path,
        `none of its ${total} images can be used; the first: ${shownPath(first?.path ?? '')}: ${first?.reason}`,
      );
    }
    return store;
  }

  get length(): number {
    return this.#files.length;
  }

  name(index: number): string {
    return this.#file(index).path;
  }

  label(index: number): number | undefined {
    return this.#file(index).label;
  }

  hash(index: number): string {
    return this.#file(index).hash;
  }

  header(index: number): Readonly<PictureHeader> {
    return this.#file(index);
  }

  load(index: number): Promise<Picture | null> | Picture {
    const file = this.#file(index);
    return this.#cache.get(file.path) ?? this.#decode(file);
  }

  async close(): Promise<void> {
    this.#cache.clear();
    this.#room = 0;
  }

  /** Reads header and hash of a file; null if it is skipped. */
  async #look(path: string, label: number | undefined): Promise<ImageFile | null> {
    try {
      const bytes = await readWhole(path);
      return { path, label, hash: contentHash(bytes), ...(await readHeader(path, bytes)) };
    } catch (error) {
      this.#skip(path, error);
      return null;
    }
  }

  async #decode(file: ImageFile): Promise<Picture | null> {
    if (this.#unreadable.has(file.path)) return null;
    try {
      const [width, height] = scaledSize(file, this.#size);
      const picture = await decodePicture(file.path, width, height, file.path, file.samples ?? 'usual');
      if (picture.pixels.length <= this.#room && !this.#cache.has(file.path)) {
        this.#room -= picture.pixels.length;
        this.#cache.set(file.path, picture);
      }
      return picture;
    } catch (error) {
      this.#skip(file.path, error);
      return null;
    }
  }

  async #decodeAll(options: ImageFilesOptions): Promise<void> {
    const files = this.#files;
    const isReadable = async (i: number) => (await this.load(i)) !== null;
    const readable = await inParallel(files.length, isReadable, 'decoding images', options);
    this.#files = files.filter((_, i) => readable[i]);
    this.decoded = true;
  }

  #skip(path: string, error: unknown): void {
    if (!(error instanceof ImageDataError)) throw error;
    if (this.#onError === 'stop') {
      throw new ImageDataError(
        path,
        `${error.reason}. Repair or remove it, or skip such images with data.onError=skip`,
        { cause: error },
      );
    }
    if (this.#unreadable.has(path)) return;
    this.#unreadable.add(path);
    this.skipped.push({ path, reason: error.reason });
  }

  #file(index: number): ImageFile {
    return itemAt(this.#files, index);
  }
}
