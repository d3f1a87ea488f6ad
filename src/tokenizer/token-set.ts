/** The token sets that encode writes, read whole. */
import { join } from 'node:path';
import { itemAt } from '../data/checks.js';
import { ImageDataError } from '../data/image-error.js';
import { contentHash, divided, splitFrom, type Split } from '../data/split.js';
import { isTokenFolder, TOKEN_LIST } from '../data/files/token-folder.js';
import { recoverPath } from '../files/file-names.js';
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import { RunError } from '../runs/error.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { tokenizerDTypes, type TokenizerDType } from './dtype.js';
import { fingerprintOfWeights } from './fingerprint.js';
import { readManifest, SHARD, type ManifestContent } from './manifest.js';
import { ShardReader, type SetImage } from './shard-reader.js';

/**
 * The ids of images and of their views, as `encode` wrote them, without offset and markers. All grids are equal. Call
 * `dispose()` to free the ids, or declare it with `using`.
 *
 * @example
 * ```ts
 * using set = await TokenSet.open('tokens');
 * const { model } = await openRun('runs/vqgan', 'vqgan');
 * set.checkMadeWith(model);
 * const ids = set.read([0, 1], [0, 0]); // int64 [2, h · w]: the first view of two images
 * console.log(set.length, set.views, set.grid, set.name(0), ids.shape);
 * ```
 */
export class TokenSet extends torch.InThread {
  readonly path: string;
  /** Number of views of each image: its rows. */
  readonly views: number;
  /** Rows and columns of ids. */
  readonly grid: readonly [height: number, width: number];
  /** Names of the classes; empty if there are none. */
  readonly classes: readonly string[];
  /** Hash that changes with the ids, the images, their order and their records. */
  readonly digest: string;
  /** True if the images are known by the hashes of their files, as a set made with `--views` is; else by their ids. */
  readonly hashed: boolean;
  /** The split that the source of the images comes with; null if it has none. */
  readonly split: Split | null;
  /** Ids of all views, int16 or int32 [N · views, h · w]; the views of an image follow each other. */
  readonly ids: Tensor;
  /** Largest id in it. */
  readonly largest: number;
  readonly #made: Pick<ManifestContent, 'model' | 'settings'>;
  readonly #images: readonly SetImage[];

  private constructor(path: string, content: ManifestContent, read: ShardReader) {
    super('a token set', 'open the set in each thread');
    const { images, grid } = read;
    this.path = path;
    this.views = content.training?.views ?? 1;
    this.classes = content.training?.classes ?? [];
    this.grid = grid;
    this.digest = digestOf(content);
    this.hashed = content.training !== undefined;
    const isHeldOut = (i: number) => images[i]!.heldOut === true;
    this.split = content.training?.split ? divided(images.length, isHeldOut) : null;
    this.#images = images;
    this.#made = content;
    ({ ids: this.ids, largest: this.largest } = read.all());
  }

  /**
   * Reads a finished set whose files are as they were written.
   *
   * @throws ImageDataError for a folder that is not such a set, with the shard that is missing or has changed, and for grids
   *   that differ
   */
  static async open(given: string): Promise<TokenSet> {
    const path = await recoverPath(given);
    const content = finished(path);
    const { training, settings } = content;
    const reader = new ShardReader(path, settings, training?.views ?? 1);
    for (const shard of Object.values(content.shards)) await reader.add(shard);
    if (reader.images.length === 0) throw new ImageDataError(path, 'none of its images could be encoded');
    return new TokenSet(path, content, reader);
  }

  /** Number of images. */
  get length(): number {
    return this.#images.length;
  }

  /** Returns the name of an image: the path of its file, as it was encoded. */
  name(image: number): string {
    return itemAt(this.#images, image).name;
  }

  /** Returns the class of an image, an index into `classes`; undefined if there are none. */
  label(image: number): number | undefined {
    return itemAt(this.#images, image).label;
  }

  /** Returns the SHA-256 by which an image is held out: of its file, or of its ids if that is not recorded. */
  hash(image: number): string {
    return itemAt(this.#images, image).sha256;
  }

  /**
   * Returns the ids of images, int64 [B, h · w], each of the view that is given; in the current scope.
   *
   * @throws RangeError for an image or a view that there is not
   */
  read(images: readonly number[], views: readonly number[]): Tensor {
    const rows = images.map((image, i) => {
      itemAt(this.#images, image);
      const view = views[i];
      if (Number.isSafeInteger(view) && view! >= 0 && view! < this.views) return image * this.views + view!;
      throw new RangeError(`view ${view} of image ${image}: each image has views 0 to ${this.views - 1}`);
    });
    return torch.scope(() =>
      this.ids.indexSelect(0, torch.tensor(BigInt64Array.from(rows, BigInt))).to('int64'),
    );
  }

  /**
   * Returns the images to train on and those to hold out, by the rule of a training: the split that the source comes with, or
   * by the contents of the images. All views of an image, and of equal images, are on one side.
   *
   * @param heldOut share below 1, or number of images; default 0.05
   * @throws RangeError if nothing would be left to train on
   */
  divide(heldOut = 0.05): Split {
    return splitFrom(this, null, this.split, heldOut);
  }

  /**
   * Checks that the set was made with a first stage: with its weights, and ids of its codebook.
   *
   * @throws RunError if not
   */
  checkMadeWith(model: FirstStage): void {
    const { model: made, settings } = this.#made;
    const named = settings['--precision'] as TokenizerDType | undefined;
    const dtype = tokenizerDTypes.find((one) => one === named);
    if (fingerprintOfWeights(model, dtype) === made) return;
    throw new RunError(
      `the tokens in ${this.path} were made with another first stage, or another checkpoint of it: encode the images again ` +
        'with this one, or name the one that they were made with',
    );
  }

  /** Frees the ids. */
  dispose(): void {
    if (!this.ids.disposed) this.ids.dispose();
  }

  /** Frees the ids; called by `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Returns the list of a finished set. @throws ImageDataError for anything else */
function finished(path: string): ManifestContent {
  const content = isTokenFolder(path) ? readManifest(path) : null;
  if (content === null) {
    throw new ImageDataError(
      path,
      `this is not a token set: it has no ${TOKEN_LIST}; name a folder that npx tessera-torch encode wrote`,
    );
  }
  if (content === 'newer') throw new ImageDataError(path, 'was written by a newer tessera-torch; update it');
  const again = 'repeat the encode command, which keeps the shards that are whole';
  if (content === 'damaged')
    throw new ImageDataError(join(path, TOKEN_LIST), 'is damaged; restore it from a copy');
  const size = (content.settings['--shard'] as number | null) ?? SHARD;
  const count = Math.ceil(content.images.count / size);
  const done = Object.keys(content.shards).length;
  if (done < count) {
    throw new ImageDataError(path, `is not finished: it has ${done} of ${count} shards; ${again}`);
  }
  return content;
}

function digestOf({ settings, model, images, training, shards }: ManifestContent): string {
  const files = Object.values(shards).map(({ sha256 }) => sha256);
  return contentHash(JSON.stringify([settings, model, images, training, files]));
}
