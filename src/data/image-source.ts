import * as torch from '../torch/index.js';
import type { Device, Tensor } from '../torch/index.js';
import { checkFields, LABEL, mapToTensor, type MapKinds } from './example.js';
import { ImageDataError } from './image-error.js';
import { bytesToImages } from './image-tensor.js';
import type { Picture, View } from './picture.js';
import { centreView, copySquare, rgbToGrey } from './picture.js';

/** Where pictures come from, one at a time: files, a packed folder, memory. */
export interface PictureStore {
  readonly length: number;
  /** Names of the classes; empty where the pictures have none. */
  readonly classes: readonly string[];
  /** The maps that lie over every picture, by field: `segmentation`, `depth`; none where it is left out. */
  readonly maps?: MapKinds;
  /** Path, or what else the picture is known by. */
  name(index: number): string;
  /** Class, where there are classes. */
  label(index: number): number | undefined;
  /** SHA-256 of what the picture is made from. */
  hash(index: number): string;
  /**
   * The picture, each side at least as long as the store's square. Null for one that cannot be decoded, where such
   * pictures are to be skipped.
   * @throws ImageDataError for one that cannot be decoded, where that is to end the work
   */
  load(index: number): Promise<Picture | null> | Picture;
  close(): Promise<void>;
}

/** Channels of images: red, green and blue, or grey. */
export type Channels = 1 | 3;

/**
 * Pictures as square tensors, RGB or grey. Positions count from 0.
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
  /** Channels of a picture: 3 (red, green and blue), or 1 (grey). */
  readonly channels: Channels;
  #store: PictureStore;
  #items: readonly number[];

  /** `items`: which of the store's pictures, all by default; `channels`: 3 by default. */
  constructor(store: PictureStore, size: number, items?: readonly number[], channels: Channels = 3) {
    if (channels !== 1 && channels !== 3) {
      throw new RangeError(`pictures have 3 channels, or 1 where they are grey; got ${String(channels)}`);
    }
    this.channels = channels;
    this.#store = store;
    this.#items = items ?? Array.from({ length: store.length }, (_, i) => i);
    this.size = size;
  }

  /** The same pictures with so many channels: this source where it has them, else one on the same store. */
  withChannels(channels: Channels): ImageSource {
    return channels === this.channels ? this : new ImageSource(this.#store, this.size, this.#items, channels);
  }

  /** Number of pictures. */
  get length(): number {
    return this.#items.length;
  }

  /** Names of the classes; empty where the pictures have none. */
  get classes(): readonly string[] {
    return this.#store.classes;
  }

  /** Fields of each example besides its image: `label` where there are classes, and maps such as `segmentation`. */
  get fields(): readonly string[] {
    return [...(this.classes.length > 0 ? [LABEL] : []), ...Object.keys(this.#store.maps ?? {})];
  }

  /** Path of the picture, or what else it is known by. */
  name(index: number): string {
    return this.#store.name(this.#item(index));
  }

  /** Class of the picture, a position in `classes`. */
  label(index: number): number | undefined {
    return this.#store.label(this.#item(index));
  }

  /** What the picture is known by in splits: SHA-256 of the file, or of what it was drawn from. */
  hash(index: number): string {
    return this.#store.hash(this.#item(index));
  }

  /**
   * Pictures by their positions, each its middle square or as its view says, float32 [B, channels, size, size] in
   * [-1, 1].
   * A picture that is skipped because it cannot be decoded is replaced by the next one that can.
   * @throws ImageDataError where a picture cannot be decoded and that is to end the work
   */
  async read(indices: readonly number[], options: ReadOptions = {}): Promise<Tensor> {
    return this.toImages(await this.readBytes(indices, options.views), options.device);
  }

  /**
   * Examples by their positions: what `read` gives, and the fields that are named, cut by the same views. `label` is
   * int64 [B]; a map of labels is one-hot [B, labels, size, size], another map [B, 1, size, size] in [-1, 1].
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

  /** The same as bytes: images [B, size, size, channels], maps [B, size, size]. */
  async readSquares(
    indices: readonly number[],
    fields: readonly string[] = [],
    views?: readonly View[],
  ): Promise<Squares> {
    checkFields(fields, this.fields);
    const { size } = this;
    const names = fields.filter((name) => name !== LABEL);
    const image = new Uint8Array(indices.length * size * size * 3);
    const maps = names.map((name) => [name, new Uint8Array(indices.length * size * size)] as const);
    await Promise.all(
      indices.map(async (index, i) => {
        const picture = await this.#load(index);
        const view = views?.[i] ?? centreView;
        copySquare(picture, size, view, image, i * size * size * 3);
        for (const [name, squares] of maps) {
          const map = { ...picture, pixels: picture.maps?.[name] ?? new Uint8Array(0) };
          copySquare(map, size, view, squares, i * size * size, 1);
        }
      }),
    );
    const label = fields.includes(LABEL) ? indices.map((index) => this.label(index) as number) : null;
    return { image: this.channels === 1 ? rgbToGrey(image) : image, maps: Object.fromEntries(maps), label };
  }

  /** Bytes as `readSquares` gives them as tensors, which the caller owns. */
  toExample({ image, maps, label }: Squares, device: Device = 'cpu'): Example {
    const fields: Record<string, Tensor> = {};
    for (const [name, bytes] of Object.entries(maps)) {
      fields[name] = mapToTensor(bytes, this.size, this.#store.maps?.[name] ?? {}, device);
    }
    if (label) fields[LABEL] = torch.tensor(BigInt64Array.from(label, BigInt), { device });
    return { image: bytesToImages(image, [this.size, this.size], this.channels, device), fields };
  }

  /** The same as `readSquares`, the images alone. */
  async readBytes(indices: readonly number[], views?: readonly View[]): Promise<Uint8Array> {
    return (await this.readSquares(indices, [], views)).image;
  }

  /** Bytes as `readBytes` gives them as float32 [B, channels, size, size] in [-1, 1]. */
  toImages(bytes: Uint8Array, device: Device = 'cpu'): Tensor {
    return bytesToImages(bytes, [this.size, this.size], this.channels, device);
  }

  /** The picture before it is cut to a square: its shorter side is `size`. */
  async picture(index: number): Promise<Picture | null> {
    return this.#store.load(this.#item(index));
  }

  /** Closes the store, which the two sides of a split share. */
  async close(): Promise<void> {
    await this.#store.close();
  }

  /** The replacement depends on the files alone, so that a resumed run sees the same. */
  async #load(index: number): Promise<Picture> {
    for (let tried = 0; tried < this.length; tried++) {
      const picture = await this.#store.load(this.#item((index + tried) % this.length));
      if (picture !== null) return picture;
    }
    throw new ImageDataError(this.name(index), 'neither this picture nor any other could be decoded');
  }

  #item(index: number): number {
    const item = this.#items[index];
    if (item === undefined) throw new RangeError(`picture ${index} of ${this.length}`);
    return item;
  }
}

/** A batch of examples. */
export interface Example {
  /** float32 [B, channels, size, size] in [-1, 1]. */
  image: Tensor;
  /** The fields that were asked for, by name. */
  fields: Record<string, Tensor>;
}

/** The bytes of a batch of examples. */
export interface Squares {
  image: Uint8Array; // [B, size, size, channels]
  maps: Record<string, Uint8Array>; // [B, size, size] each
  /** Class of each picture, where it was asked for. */
  label: number[] | null;
}

export interface ReadOptions {
  /** Which square of each picture; default the middle one, not mirrored. */
  views?: readonly View[];
  /** Default `cpu`. */
  device?: Device;
}
