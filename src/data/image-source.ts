import * as torch from '../torch/index.js';
import type { Device, Tensor } from '../torch/index.js';
import { COORDINATES } from './fields/coordinates.js';
import type { Sides } from './batches/crop.js';
import { itemAt } from './checks.js';
import type { Digests } from './digests.js';
import { checkFields, LABEL, mapToTensor, type MapKinds } from './fields/example.js';
import { ImageDataError } from './image-error.js';
import { bytesToImages } from './pictures/image-tensor.js';
import { LAYOUT, LAYOUT_WIDTH, type LayoutKind } from './fields/layout.js';
import {
  checkFactor,
  LOW_RESOLUTION,
  lowResolution,
  usualLowResolution,
  type LowResolution,
} from './fields/low-resolution.js';
import type { Picture, View } from './pictures/picture.js';
import { centreView } from './pictures/picture.js';
import { readCrops } from './batches/read-squares.js';
import type { Example, ReadOptions, Squares } from './batches/squares.js';

/** Source of single images: files, a packed folder or memory. */
export interface PictureStore {
  readonly length: number;
  /** Names of the classes; empty if the images have none. */
  readonly classes: readonly string[];
  /** Maps of every image by field, such as `segmentation` and `depth`; none if left out. */
  readonly maps?: MapKinds;
  /** Properties that the layouts of the images have in common; null or left out: they have none. */
  readonly layout?: LayoutKind | null;
  /** Returns the path or another name of an image. */
  name(index: number): string;
  /** Returns the class, if there are classes. */
  label(index: number): number | undefined;
  /** Returns the SHA-256 of the image's source. */
  hash(index: number): string;
  /** The same hashes as bytes, with which a million images are opened in a fraction of the time. */
  readonly digests?: Digests | undefined;
  /** Returns width and height of an image, before or after it is scaled; only buckets need them. */
  sides?(index: number): { width: number; height: number };
  /**
   * Returns the image, each side at least as long as the store's squares; null if it cannot be decoded and the store
   * skips such images.
   * @throws ImageDataError if it cannot be decoded and the store does not skip such images
   */
  load(index: number): Promise<Picture | null> | Picture;
  close(): Promise<void>;
}

/** Number of channels: 3 for red, green and blue, 1 for grey. */
export type Channels = 1 | 3;

/**
 * Reads images as square tensors, RGB or grey. Indices start at 0.
 *
 * @example
 * ```ts
 * const source = new ImageSource(await PackedImages.open('packed'), 64);
 * const images = await source.read([0, 1, 2]); // [3, 3, 64, 64], in [-1, 1]
 * await source.close();
 * ```
 */
export class ImageSource {
  /** Side of the squares in pixels. */
  readonly size: number;
  /** Channels of an image: 3 (red, green and blue), or 1 (grey). */
  readonly channels: Channels;
  /** Settings of the field `lr`. */
  readonly lowResolution: LowResolution;
  #store: PictureStore;
  #items: readonly number[];
  #fitted: boolean;

  /**
   * Uses the images `items` of the store, by default all, with 3 `channels` by default. With `fitted` the largest square of
   * an image is scaled to `size`, for stores whose images are larger.
   */
  constructor(
    store: PictureStore,
    size: number,
    items?: readonly number[],
    channels: Channels = 3,
    low: LowResolution = usualLowResolution,
    fitted = false,
  ) {
    if (channels !== 1 && channels !== 3) {
      throw new RangeError(`channels must be 3, or 1 for grey images; got ${String(channels)}`);
    }
    this.channels = channels;
    this.lowResolution = low;
    this.#store = store;
    this.#fitted = fitted;
    this.#items = items ?? Array.from({ length: store.length }, (_, i) => i);
    this.size = size;
  }

  /** Returns a source of the same images and store with the given channels and, if given, another low resolution. */
  withChannels(channels: Channels, low: LowResolution = this.lowResolution): ImageSource {
    return new ImageSource(this.#store, this.size, this.#items, channels, low, this.#fitted);
  }

  /** Number of images. */
  get length(): number {
    return this.#items.length;
  }

  /** Names of the classes; empty if the images have none. */
  get classes(): readonly string[] {
    return this.#store.classes;
  }

  /** Fields of each example besides its image: `label` if there are classes, and maps such as `segmentation`. */
  get fields(): readonly string[] {
    const { classes, maps = {}, layout } = this.#store;
    return [...(classes.length > 0 ? [LABEL] : []), ...Object.keys(maps), ...(layout ? [LAYOUT] : [])];
  }

  /**
   * Checks that the images have fields.
   * @throws RangeError with the first missing one and the available ones, or if `lr` does not fit the size
   */
  checkFields(fields: readonly string[]): void {
    checkFields(fields, this.fields);
    if (fields.includes(LOW_RESOLUTION)) checkFactor(this.size, this.lowResolution);
  }

  /** Returns the channels of a map as `readExamples` gives it: one per label, those of the images for `lr`, or 1. */
  channelsOfMap(field: string): number {
    if (field === LOW_RESOLUTION) return this.channels;
    return this.#store.maps?.[field]?.labels?.length ?? 1;
  }

  /** Names of the classes of objects in layouts; empty if the images have no layouts. */
  get objectClasses(): readonly string[] {
    return this.#store.layout?.classes ?? [];
  }

  /** Number of images in the store, of which this source may have a part. */
  get stored(): number {
    return this.#store.length;
  }

  /** Returns the place of an image in the store: that of its file among all in the order in which they were found. */
  place(index: number): number {
    return this.#item(index);
  }

  /** Returns the path of an image, or another name. */
  name(index: number): string {
    return this.#store.name(this.#item(index));
  }

  /** Returns the class of an image, an index into `classes`. */
  label(index: number): number | undefined {
    return this.#store.label(this.#item(index));
  }

  /**
   * Returns width and height of an image.
   * @throws RangeError for a store that does not know them
   */
  sides(index: number): { width: number; height: number } {
    const sides = this.#store.sides?.(this.#item(index));
    if (sides) return sides;
    throw new RangeError(
      'this store does not know the sides of its images, which buckets need: give it a method sides',
    );
  }

  /** Returns the SHA-256 of an image's file or other source, which identifies it in splits. */
  hash(index: number): string {
    return this.#store.hash(this.#item(index));
  }

  /** The hashes of all images of the store as bytes, by `place`; undefined if it has only strings. */
  get digests(): Digests | undefined {
    return this.#store.digests;
  }

  /**
   * Reads images by index as float32 [B, channels, size, size] in [-1, 1], cropped to their central square or by their
   * view. An image that is skipped because it cannot be decoded is replaced with the next one that can.
   * @throws ImageDataError if an image cannot be decoded and the store does not skip such images
   */
  async read(indices: readonly number[], options: ReadOptions = {}): Promise<Tensor> {
    return this.toImages(await this.readBytes(indices, options.views), options.device);
  }

  /**
   * Reads examples by index: the image as in `read`, and the named fields, cropped by the same views. `label` is int64
   * [B]; a map of labels is one-hot [B, labels, size, size], another map [B, 1, size, size] in [-1, 1]; `layout` is the
   * crop and the objects of the image, [B, 1 + objects, 5] float64 (see `LayoutStage`). Every source has three more:
   * `coord`, the positions of the pixels in their whole image, [B, 1, size, size] in [0, 1); `edges`, computed from the
   * crop, [B, 1, size, size], 1 on an edge and else -1; and `lr`, the crop in low resolution, [B, channels, size, size].
   * @throws RangeError for a field that the source does not have
   *
   * @example
   * ```ts
   * const { train } = await openImages({ path: 'scenes', size: 64 }, { maps: true });
   * const { image, fields } = await train.readExamples([0, 1], ['segmentation']);
   * fields['segmentation']; // [2, 9, 64, 64]
   * ```
   */
  async readExamples(
    indices: readonly number[],
    fields: readonly string[],
    { views, device = 'cpu' }: ReadOptions = {},
  ): Promise<Example> {
    return this.toExample(await this.readSquares(indices, fields, views), device);
  }

  /**
   * Reads the same examples as bytes: images [B, H, W, channels], maps [B, H, W]. Height and width are those of the
   * squares, unless `sides` are given, to which the largest box of their proportions is then scaled.
   */
  async readSquares(
    indices: readonly number[],
    fields: readonly string[] = [],
    views?: readonly View[],
    sides?: Sides,
  ): Promise<Squares> {
    this.checkFields(fields);
    return readCrops({
      sides: sides ?? [this.size, this.size],
      views: indices.map((_, i) => views?.[i] ?? centreView),
      fields,
      fitted: this.#fitted || sides !== undefined,
      channels: this.channels,
      layout: this.#store.layout ?? null,
      label: fields.includes(LABEL) ? indices.map((index) => this.label(index) as number) : null,
      load: (place) => this.#load(indices[place]!),
      nameOf: (place) => this.name(indices[place]!),
    });
  }

  /** Converts the bytes of `readSquares` to tensors, which the caller owns. */
  toExample(squares: Squares, device: Device = 'cpu'): Example {
    const { sides, maps, label, positions, layouts } = squares;
    const image = bytesToImages(squares.image, sides, this.channels, device);
    const fields: Record<string, Tensor> = {};
    if (squares.lowResolution) fields[LOW_RESOLUTION] = lowResolution(image, this.lowResolution);
    for (const [name, bytes] of Object.entries(maps)) {
      fields[name] = mapToTensor(bytes, sides, this.#store.maps?.[name] ?? {}, device);
    }
    if (positions) {
      fields[COORDINATES] = torch.tensor(positions, { device }).view([-1, 1, ...sides]);
    }
    if (layouts) {
      const rows = torch.scope(() => torch.stack(layouts.map((values) => torch.tensor(values, { device }))));
      fields[LAYOUT] = rows.view([layouts.length, -1, LAYOUT_WIDTH]);
    }
    if (label) fields[LABEL] = torch.tensor(BigInt64Array.from(label, BigInt), { device });
    return { image, fields };
  }

  /** Reads only the images of `readSquares`. */
  async readBytes(indices: readonly number[], views?: readonly View[]): Promise<Uint8Array> {
    return (await this.readSquares(indices, [], views)).image;
  }

  /** Converts the bytes of `readBytes` to float32 [B, channels, size, size] in [-1, 1]. */
  toImages(bytes: Uint8Array, device: Device = 'cpu'): Tensor {
    return bytesToImages(bytes, [this.size, this.size], this.channels, device);
  }

  /** Returns the image before it is cropped to a square: its shorter side is `size`. */
  async picture(index: number): Promise<Picture | null> {
    return this.#store.load(this.#item(index));
  }

  /** Closes the store, which the two sides of a split share. */
  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Loads an image, or the next that can be decoded: it depends only on the files, so a resumed run sees the same. */
  async #load(index: number): Promise<Picture> {
    for (let tried = 0; tried < this.length; tried++) {
      const picture = await this.#store.load(this.#item((index + tried) % this.length));
      if (picture !== null) return picture;
    }
    throw new ImageDataError(this.name(index), 'neither this image nor any other could be decoded');
  }

  #item(index: number): number {
    return itemAt(this.#items, index);
  }
}
