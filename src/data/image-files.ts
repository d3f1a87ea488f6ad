import { totalmem } from 'node:os';
import type { PictureHeader } from './decode.js';
import { decodePicture, readHeader, scaledSize } from './decode.js';
import type { FoundImages } from './find-images.js';
import { shownPath } from '../files/file-names.js';
import { ImageDataError } from './image-error.js';
import type { PictureStore } from './image-source.js';
import { inParallel } from './in-parallel.js';
import type { Picture } from './picture.js';
import { readWhole } from './read-whole.js';
import { contentHash } from './split.js';

/** Up to this many pixels in all, a folder is decoded when it is opened: some seconds on two cores. */
const decodeAtOnce = 2e9;

export type OnError = 'skip' | 'stop';

/** A picture that was left out, and why. */
export interface SkippedImage {
  /** Bytes of a name that are not UTF-8 stand as lone surrogates, U+DC00 + byte. */
  path: string;
  reason: string;
}

export interface ImageFilesOptions {
  /** Length of the shorter side after scaling, in pixels. */
  size: number;
  /** What a file that cannot be decoded does: be left out and reported (default), or end the work. */
  onError?: OnError;
  /** Decode every picture before any is used; by default where there are few, or with `onError: 'stop'`. */
  decodeAll?: boolean;
  /** Decoded pictures are kept up to this many bytes, default 1 GiB or an eighth of the machine's memory. */
  cacheBytes?: number;
  onProgress?: (label: string, done: number, total: number) => void;
  signal?: AbortSignal;
}

interface ImageFile extends PictureHeader {
  path: string;
  hash: string;
  label: number | undefined;
}

/** Pictures in files, decoded when they are asked for and kept while there is room. */
export class ImageFiles implements PictureStore {
  readonly classes: readonly string[];
  /** Files left out, in the order in which it was found out. */
  readonly skipped: SkippedImage[] = [];
  /** Whether every file has been decoded once. */
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
   * Reads every file's header and contents' hash, and decodes all where there are few.
   * @throws ImageDataError for a file that cannot be used with `onError: 'stop'`, or when none is left
   */
  static async open(path: string, found: FoundImages, options: ImageFilesOptions): Promise<ImageFiles> {
    const store = new ImageFiles(found.classes, options);
    const { signal, onProgress } = options;
    const total = found.files.length;
    const looked = await inParallel(total, (i) => store.#look(found.files[i] as string, found.labels[i]), {
      signal,
      onProgress: (done) => onProgress?.('looking at pictures', done, total),
    });
    store.#files = looked.filter((file) => file !== null);
    const pixels = store.#files.reduce((sum, { width, height }) => sum + width * height, 0);
    if (options.decodeAll ?? (options.onError === 'stop' || pixels <= decodeAtOnce)) {
      await store.#decodeAll(options);
    }
    if (store.#files.length === 0) {
      const [first] = store.skipped;
      throw new ImageDataError(
        path,
        `none of its ${total} pictures can be used; the first: ${shownPath(first?.path ?? '')}: ${first?.reason}`,
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

  /** Header and hash of a file; null for one that is left out. */
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

  async #decodeAll({ signal, onProgress }: ImageFilesOptions): Promise<void> {
    const files = this.#files;
    const readable = await inParallel(files.length, async (i) => (await this.load(i)) !== null, {
      signal,
      onProgress: (done) => onProgress?.('decoding pictures', done, files.length),
    });
    this.#files = files.filter((_, i) => readable[i]);
    this.decoded = true;
  }

  #skip(path: string, error: unknown): void {
    if (!(error instanceof ImageDataError)) throw error;
    if (this.#onError === 'stop') {
      throw new ImageDataError(
        path,
        `${error.reason}. Repair it or move it away, or leave such pictures out with data.onError=skip`,
        { cause: error },
      );
    }
    if (this.#unreadable.has(path)) return;
    this.#unreadable.add(path);
    this.skipped.push({ path, reason: error.reason });
  }

  #file(index: number): ImageFile {
    const file = this.#files[index];
    if (file === undefined) throw new RangeError(`picture ${index} of ${this.length}`);
    return file;
  }
}
