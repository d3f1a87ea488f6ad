/** Images to tokens and back, with a trained first stage. */
import { show } from '../config/read.js';
import { imageGrid } from '../data/pictures/image-grid.js';
import { sharpOf } from '../data/pictures/sharp.js';
import { shownPath } from '../files/file-names.js';
import { checkSingleCodes } from '../models/autoencoder/single-codes.js';
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import type { ModelConfig } from '../models/registry/from-config.js';
import { openRun, type ModelSource, type OpenedRun } from '../runs/open.js';
import * as torch from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Tensor } from '../torch/index.js';
import { setDType, tokenizerDTypes, type TokenizerDType } from './dtype.js';
import { checkTakesFiles, encodePictures } from './encode-pictures.js';
import { fingerprintOfWeights } from './fingerprint.js';
import { checkFit, fitTensor, oneOf, readFitted, type FitOptions, type FittedPicture } from './fit.js';
import { checkIds, checkSize } from './ids.js';
import { inBatches } from './in-batches.js';
import { imagesOf, indicesOf } from './indices.js';
import { tilingOf, type TileOptions, type Tiling } from './tiles.js';

/** An image: the path of a file, or the bytes of one. */
export type ImageInput = string | Uint8Array;

export interface ImageTokenizerOptions {
  /**
   * Model of a checkpoint file: a YAML file, the name of a preset such as `imagenet`, or the `model` entry of one. It is
   * a first stage, or a transformer, whose first stage is used. Not for a run, which has its own.
   */
  config?: string | ModelConfig;
  /** Default `auto`: CUDA if it is available. */
  device?: 'auto' | torch.Device;
  /**
   * Default float32. In half precision ids may differ from those of float32, and between batches of other sizes, where
   * two codes are almost equally near.
   */
  dtype?: TokenizerDType;
}

export interface EncodeOptions extends FitOptions, TileOptions {
  /** Number of files of equal size that run together. Default 16. A tensor runs as it is. */
  batch?: number;
}

/** Ids of images with equal grids. */
export interface ImageTokens {
  /** int64 [B, h, w] on the CPU. */
  ids: Tensor;
  /** Rows and columns of ids, [h, w]. */
  grid: [number, number];
  /** Height and width of the images in pixels without padding; `decode` crops to it. */
  size: [number, number];
}

export interface DecodeOptions extends TileOptions {
  /** Height and width in pixels to crop to, as padding is at the right and the bottom. Default: of the tokens. */
  size?: readonly [number, number];
}

/**
 * Encodes images into ids of a VQGAN's codebook and decodes ids into images. Nothing is drawn at random: where the
 * model would sample codes, the most likely one is taken. Call `dispose()` to free the weights, or declare it with
 * `using`.
 *
 * @example
 * ```ts
 * using tokenizer = await ImageTokenizer.open('runs/vqgan', { dtype: 'bfloat16' });
 * const { ids, grid } = await tokenizer.encode('cat.jpg', { size: 256, square: true });
 * console.log(ids.shape, grid); // [1, 16, 16] and [16, 16] with a stride of 16
 * const images = await tokenizer.decode(ids); // [1, 3, 256, 256]
 * const [png] = await tokenizer.decodePng(ids);
 * ```
 */
export class ImageTokenizer extends torch.InThread {
  /** The model, in evaluation mode on `device`. */
  readonly model: FirstStage;
  /** Device on which it computes. */
  readonly device: torch.Device;
  /** dtype of the encoder and the decoder. */
  readonly dtype: TokenizerDType;
  /** Pixels of the shorter side that the model was trained with, to which files are scaled by default. */
  readonly size: number;
  /** True if the weights are the moving average of those that were trained. */
  readonly ema: boolean;
  #disposed = false;

  private constructor({ model, config, device, ema }: OpenedRun<FirstStage>, dtype: TokenizerDType) {
    super('a tokenizer', 'open one in each thread');
    this.model = model;
    this.size = config.data.size;
    this.device = device;
    this.ema = ema;
    this.dtype = dtype;
  }

  /**
   * Opens the newest checkpoint of a run (of a transformer, the first stage in it), or a checkpoint file that
   * `loadCheckpoint` reads, with the configuration of its model.
   *
   * @param source folder of a run (`{ run, ema: false }`: its trained weights, if it also averages them), or a checkpoint file
   * @throws RunError if the run does not exist or has no checkpoint, its model has no codes, or the checkpoint is not of
   *   the configuration; ConfigFileError or CheckpointError if a file cannot be read; TypeError if the model has not one
   *   code at each position
   *
   * @example
   * ```ts
   * const tokenizer = await ImageTokenizer.open('last.ckpt', { config: 'imagenet' });
   * console.log(tokenizer.nCodes, tokenizer.stride); // 1024, 16
   * ```
   */
  static async open(
    source: ModelSource,
    { config, device = 'auto', dtype = 'float32' }: ImageTokenizerOptions = {},
  ): Promise<ImageTokenizer> {
    oneOf('dtype', dtype, tokenizerDTypes);
    const from = typeof source === 'string' && config !== undefined ? { checkpoint: source, config } : source;
    const opened = await openRun(from, 'vqgan', device);
    checkSingleCodes(opened.model, 'ImageTokenizer');
    setDType(opened.model.requiresGrad_(false), dtype);
    return new ImageTokenizer(opened, dtype);
  }

  /** Number of ids, which are 0 to `nCodes` - 1. */
  get nCodes(): number {
    return this.model.nCodes;
  }

  /** Pixels per side covered by one id. */
  get stride(): number {
    return this.model.stride;
  }

  get channels(): number {
    return this.model.encoder.inChannels;
  }

  /**
   * Encodes a file, the bytes of one, a list of these, or a tensor [B, C, H, W] in [-1, 1]. Files are rotated by their
   * EXIF orientation, put on white if transparent, and scaled to `size`.
   *
   * @returns the tokens; of a list of images of different sizes, those of each image (as `encodeAll`)
   * @throws ImageDataError for a file that cannot be read; ShapeError for an empty list, or a tensor of another shape;
   *   RangeError or TypeError for wrong options
   */
  encode(source: ImageInput | Tensor, options?: EncodeOptions): Promise<ImageTokens>;
  encode(
    source: ImageInput | readonly ImageInput[] | Tensor,
    options?: EncodeOptions,
  ): Promise<ImageTokens | ImageTokens[]>;
  async encode(
    source: ImageInput | readonly ImageInput[] | Tensor,
    options: EncodeOptions = {},
  ): Promise<ImageTokens | ImageTokens[]> {
    const tiling = this.#check(options);
    if (source instanceof torch.Tensor) return this.#encodeTensor(source, options, tiling);
    const inputs = typeof source === 'string' || source instanceof Uint8Array ? [source] : source;
    const all = await this.encodeAll(inputs, options);
    const [first] = all;
    if (!first) throw new torch.ShapeError('encode needs at least one image, got an empty list');
    if (all.some(({ size }) => size[0] !== first.size[0] || size[1] !== first.size[1])) return all;
    const each = all.map((tokens) => tokens.ids);
    const ids = unrecorded(() => torch.cat(each));
    torch.dispose(each);
    return { ...first, ids };
  }

  /**
   * Encodes files, or bytes of files, of any sizes; those of equal size run together.
   *
   * @returns the tokens of each image, ids [1, h, w], in the order of the list
   * @throws ImageDataError for the first file that cannot be read
   *
   * @example
   * ```ts
   * using tokenizer = await ImageTokenizer.open('runs/vqgan');
   * for (const { ids, grid } of await tokenizer.encodeAll(['wide.jpg', 'tall.jpg'], { fit: 'pad' })) {
   *   console.log(grid, ids.flatten().tolist());
   * }
   * ```
   */
  async encodeAll(inputs: readonly ImageInput[], options: EncodeOptions = {}): Promise<ImageTokens[]> {
    this.#check(options);
    checkTakesFiles(this);
    const result = Array.from<ImageTokens>({ length: inputs.length });
    const read = (index: number) => this.#read(inputs[index]!, index, options);
    for await (const { indices, pictures, error } of inBatches(inputs.length, read, options.batch ?? 16)) {
      if (error) throw error;
      for (const [i, ids] of (await encodePictures(this, pictures, options)).entries()) {
        const { size } = pictures[i]!;
        result[indices[i]!] = { ids, grid: ids.shape.slice(1) as [number, number], size };
      }
    }
    return result;
  }

  /**
   * Decodes ids into images, float32 [B, C, H, W] on the CPU, limited to [-1, 1].
   *
   * @param tokens what `encode` returned, or ids: integers [B, h, w]
   * @throws RangeError for ids outside of the codebook or a size beyond the images; ShapeError or DTypeError for others
   */
  async decode(tokens: Tensor | ImageTokens, options: DecodeOptions = {}): Promise<Tensor> {
    this.#checkOpen();
    const tiling = tilingOf(options, this.stride);
    const ids = tokens instanceof torch.Tensor ? tokens : tokens?.ids;
    checkIds(ids, this.nCodes);
    const [height, width] = [ids.shape[1]! * this.stride, ids.shape[2]! * this.stride];
    const size = options.size ?? (tokens instanceof torch.Tensor ? [height, width] : tokens.size);
    checkSize(size, height, width);
    return unrecorded(() => {
      const decoded = imagesOf(this.model, ids.to(this.device).to('int64'), this.dtype, tiling);
      return decoded.narrow(2, 0, size[0]).narrow(3, 0, size[1]).clamp(-1, 1).to('cpu').contiguous();
    });
  }

  /**
   * Decodes ids like `decode`, and returns each image as the bytes of a PNG.
   *
   * @throws ShapeError if the images are neither RGB nor grey, and what `decode` throws
   */
  async decodePng(tokens: Tensor | ImageTokens, options: DecodeOptions = {}): Promise<Uint8Array[]> {
    const images = await this.decode(tokens, options);
    const pictures = torch.scope(() => images.split(1).map((image) => imageGrid(image)));
    images.dispose();
    return Promise.all(pictures.map(async (picture) => (await sharpOf(picture)).png().toBuffer()));
  }

  /** Returns the SHA-256 of the weights as they compute, in hexadecimal: it changes with any of them. */
  fingerprint(): string {
    this.#checkOpen();
    return fingerprintOfWeights(this.model);
  }

  /** Frees the weights; the tokenizer cannot be used afterwards. */
  dispose(): void {
    if (!this.#disposed) torch.dispose([...this.model.parameters(), ...this.model.buffers()]);
    this.#disposed = true;
  }

  /** Frees the weights; called by `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(options: EncodeOptions): Tiling | null {
    this.#checkOpen();
    checkFit(options, this);
    const { batch = 1 } = options;
    if (!Number.isSafeInteger(batch) || batch < 1) {
      throw new RangeError(`batch must be a positive integer, got ${show(batch)}`);
    }
    return tilingOf(options, this.stride);
  }

  #checkOpen(): void {
    if (this.#disposed) throw new TypeError('this tokenizer has been disposed of; open another one');
  }

  async #read(input: ImageInput, index: number, options: FitOptions): Promise<FittedPicture> {
    if (typeof input === 'string' || input instanceof Uint8Array) {
      return readFitted(nameOf(input, index), input, this, options);
    }
    throw new TypeError(`image ${index} must be a path or the bytes of an image file, got ${show(input)}`);
  }

  #encodeTensor(images: Tensor, options: FitOptions, tiling: Tiling | null): ImageTokens {
    return unrecorded(() => {
      const fitted = fitTensor(images.to(this.device), this, options);
      const ids = indicesOf(this.model, fitted.images, this.dtype, tiling).to('cpu').contiguous();
      return { ids, grid: ids.shape.slice(1) as [number, number], size: fitted.size };
    });
  }
}

const nameOf = (input: ImageInput, index: number): string =>
  typeof input === 'string' ? shownPath(input) : `image ${index}`;
