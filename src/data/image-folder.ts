import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { ImageDataError } from './image-error.js';
import { SeededRandom } from './seeded-random.js';
import { loadSharp } from './sharp.js';

const extensions = new Set(['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff']);

export interface ImageFolderOptions {
  /** Side of the square images in pixels. */
  size: number;
  /**
   * Decoded images are kept in memory up to this many bytes, default 1 GiB (12 KiB an image at 64 × 64). Where the
   * whole folder fits, it is decoded by `open`, so that a broken image is found before any training.
   */
  cacheBytes?: number;
}

/** Pictures of a folder and its subfolders, as square RGB tensors in [−1, 1]. */
export class ImageFolder {
  /** Paths in a fixed order (by name). */
  readonly files: readonly string[];
  readonly size: number;
  #cache: Map<string, Uint8Array>;
  #capacity: number;

  private constructor(
    files: readonly string[],
    size: number,
    cache: Map<string, Uint8Array>,
    capacity: number,
  ) {
    this.files = files;
    this.size = size;
    this.#cache = cache;
    this.#capacity = capacity;
  }

  /**
   * Finds the images of a folder, by their extensions, recursively; hidden files are passed over.
   * @throws ImageDataError for a missing or empty folder, or an image that cannot be decoded
   */
  static async open(path: string, { size, cacheBytes = 2 ** 30 }: ImageFolderOptions): Promise<ImageFolder> {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new RangeError(`the image size must be a positive number of pixels, got ${size}`);
    }
    const files = await listImages(path);
    const folder = new ImageFolder(files, size, new Map(), Math.floor(cacheBytes / (size * size * 3)));
    if (files.length <= folder.#capacity) await folder.#decodeAll();
    return folder;
  }

  get length(): number {
    return this.files.length;
  }

  /** Two folders without a common file: `heldOut` images chosen by the seed, and the rest. */
  split(heldOut: number, seed = 0): { train: ImageFolder; heldOut: ImageFolder } {
    if (!Number.isSafeInteger(heldOut) || heldOut < 1 || heldOut >= this.length) {
      throw new RangeError(
        `cannot hold out ${heldOut} of ${this.length} images: hold out at least 1 and leave at least 1 for training`,
      );
    }
    const shuffled = new SeededRandom(seed).shuffle(this.files);
    const part = (files: readonly string[]) => new ImageFolder(files, this.size, this.#cache, this.#capacity);
    return { train: part(shuffled.slice(heldOut).sort()), heldOut: part(shuffled.slice(0, heldOut).sort()) };
  }

  /**
   * Images by their position in `files`, float32 [B, 3, size, size] in [−1, 1].
   * @throws ImageDataError for an image that cannot be decoded
   */
  async read(indices: readonly number[]): Promise<Tensor> {
    const bytes = this.size * this.size * 3;
    const packed = new Uint8Array(indices.length * bytes);
    await Promise.all(
      indices.map(async (index, i) => {
        const file = this.files[index];
        if (file === undefined) throw new RangeError(`image ${index} of a folder with ${this.length} images`);
        packed.set(await this.#pixels(file), i * bytes);
      }),
    );
    return torch.scope(() =>
      torch
        .tensor(packed)
        .view([indices.length, this.size, this.size, 3])
        .permute([0, 3, 1, 2])
        .to('float32')
        .contiguous() // [B, 3, H, W]
        .div_(torch.tensor(127.5))
        .sub_(torch.tensor(1)),
    );
  }

  async #pixels(file: string): Promise<Uint8Array> {
    const kept = this.#cache.get(file);
    if (kept !== undefined) return kept;
    const pixels = await decodeImage(file, this.size);
    if (this.#cache.size < this.#capacity) this.#cache.set(file, pixels);
    return pixels;
  }

  /** A few at a time: sharp decodes on its own threads, and an error should stop the rest early. */
  async #decodeAll(): Promise<void> {
    let next = 0;
    const worker = async () => {
      while (next < this.files.length) await this.#pixels(this.files[next++] as string);
    };
    const done = await Promise.allSettled(Array.from({ length: 2 * availableParallelism() }, worker));
    for (const result of done) if (result.status === 'rejected') throw result.reason;
  }
}

/**
 * Endless shuffled batches [B, 3, size, size], the next one being decoded while the last one trains. Every pass over
 * the folder has a new order; order and left-right flips follow from the seed. The consumer owns each batch.
 */
export async function* batches(
  folder: ImageFolder,
  batchSize: number,
  { seed = 0, flip = true }: { seed?: number; flip?: boolean } = {},
): AsyncGenerator<Tensor, never, undefined> {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`the batch size must be a positive integer, got ${batchSize}`);
  }
  const random = new SeededRandom(seed, 1);
  const order: number[] = [];
  const read = (): Promise<Tensor> => {
    while (order.length < batchSize) order.push(...random.shuffle([...folder.files.keys()]));
    const mirrored = flip && random.chance(0.5);
    const images = folder.read(order.splice(0, batchSize));
    const batch = mirrored ? images.then((x) => torch.scope(() => x.flip([3]))) : images;
    batch.catch(() => {}); // It is reported where it is awaited, if it ever is.
    return batch;
  };
  for (let next = read(); ;) {
    const batch = await next;
    next = read();
    // Steps are synchronous: without a turn of the event loop no signal, and no decoder, would ever be heard.
    await setImmediate();
    yield batch;
  }
}

/**
 * One image as RGB bytes [size, size, 3]: turned upright by its EXIF orientation, laid on white where it is
 * transparent, scaled by its shorter side and cut to the central square.
 * @throws ImageDataError naming the path and the decoder's reason
 */
export async function decodeImage(path: string, size: number): Promise<Uint8Array> {
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(path, { failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .flatten({ background: '#ffffff' })
      .resize(size, size, { fit: 'cover', position: 'centre' })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels === 3) return data;
    if (info.channels === 1)
      return Uint8Array.from({ length: size * size * 3 }, (_, i) => data[(i / 3) | 0] as number);
    throw new Error(`decoded to ${info.channels} channels, expected 3`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new ImageDataError(
      path,
      `this image cannot be decoded (${reason}). Repair it, or move it out of the folder.`,
      { cause },
    );
  }
}

async function listImages(path: string): Promise<string[]> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const reason =
      cause.code === 'ENOENT' ? 'there is no such folder' : `the folder cannot be read (${cause.message})`;
    throw new ImageDataError(path, reason, { cause });
  });
  if (!found.isDirectory()) throw new ImageDataError(path, 'this is not a folder; name a folder of images');
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch((cause: Error) => {
    throw new ImageDataError(path, `the folder cannot be read (${cause.message})`, { cause });
  });
  const files = entries
    .filter((e) => (e.isFile() || e.isSymbolicLink()) && !e.name.startsWith('.'))
    .filter((e) => extensions.has(extname(e.name).toLowerCase()))
    .map((e) => join(e.parentPath, e.name))
    .sort();
  if (files.length === 0) {
    throw new ImageDataError(
      path,
      `there are no images here; looked for ${[...extensions].join(' ')} in all subfolders`,
    );
  }
  return files;
}
