import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { ImageDataError } from './image-error.js';
import type { Picture, View } from './picture.js';
import { centreView, copySquare, rgbToGrey } from './picture.js';

/** Where pictures come from, one at a time: files, a packed folder, memory. */
export interface PictureStore {
  readonly length: number;
  /** Names of the classes; empty where the pictures have none. */
  readonly classes: readonly string[];
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

  /** The same as bytes [B, size, size, channels]. */
  async readBytes(indices: readonly number[], views?: readonly View[]): Promise<Uint8Array> {
    const bytes = this.size * this.size * 3;
    const packed = new Uint8Array(indices.length * bytes);
    await Promise.all(
      indices.map(async (index, i) => {
        const picture = await this.#load(index);
        copySquare(picture, this.size, views?.[i] ?? centreView, packed, i * bytes);
      }),
    );
    return this.channels === 1 ? rgbToGrey(packed) : packed;
  }

  /** Bytes as `readBytes` gives them as float32 [B, channels, size, size] in [-1, 1]. */
  toImages(bytes: Uint8Array, device: torch.Device = 'cpu'): Tensor {
    return toImages(bytes, this.size, this.channels, device);
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

export interface ReadOptions {
  /** Which square of each picture; default the middle one, not mirrored. */
  views?: readonly View[];
  /** Default `cpu`. */
  device?: torch.Device;
}

function toImages(bytes: Uint8Array, size: number, channels: Channels, device: torch.Device): Tensor {
  const count = bytes.length / (size * size * channels);
  return torch.scope(() => {
    const rows = upload(bytes, device).view([count, size, size, channels]); // As bytes: a quarter of the traffic.
    return torch
      .empty([count, channels, size, size], { device })
      .copy_(rows.permute([0, 3, 1, 2])) // [B, C, H, W]
      .div_(torch.full([], 127.5, { device })) // A tensor of the device: CUDA multiplies by the inverse of a number.
      .sub_(1);
  });
}

/** On a GPU from pinned memory, without waiting for the work before: the last step may still be running there. */
function upload(bytes: Uint8Array, device: torch.Device): Tensor {
  const rows = torch.tensor(bytes);
  return device.startsWith('cuda') ? rows.pinMemory().to(device, { nonBlocking: true }) : rows.to(device);
}
