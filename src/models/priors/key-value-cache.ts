import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Affine } from './prior.js';

export interface KeyValueCacheShape {
  nLayer: number;
  nHead: number;
  /** Width of one head, `nEmbd / nHead`. */
  headSize: number;
  batch: number;
  /** Number of positions the cache can hold, including conditioning and embeddings. */
  capacity: number;
  dtype: torch.DType;
  device: torch.Device;
}

/** A {@link KeyValueCache} at a position stored in a tensor; see `KeyValueCache.at`. The host does not read any of it. */
export interface CacheAt {
  /** Position to write to, int64 `[1]`. */
  readonly position: Tensor;
  /** Mask added to the scores: −∞ after the position, otherwise 0. [1, 1, 1, window] */
  readonly mask: Tensor;
  /** Concatenated query, key and value weights of each layer. */
  readonly qkv: readonly Affine[];
  /** Writes one layer's key and value `[2, B, H, 1, D]` and returns all those in the window, `[B, H, window, D]`. */
  write(layer: number, keyAndValue: Tensor): [Tensor, Tensor];
}

/** Views of a cache's first positions. */
interface Window {
  readonly positions: Tensor; // [1, 1, 1, window], 0, 1, 2, …
  readonly zeros: Tensor; // [1, 1, 1, window]
  readonly keys: readonly Tensor[]; // [B, H, window, D]
  readonly values: readonly Tensor[];
}

/**
 * Keys and values of every layer for the positions a GPT has already processed, allocated once.
 *
 * Each layer holds one `[2, B, H, capacity, D]` tensor. New positions are written in place, so earlier ones are not
 * reallocated or copied. The tensors belong to the cache, not to the scope it is created in: call `dispose()` when done
 * (or declare it with `using`).
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * using cache: KeyValueCache = gpt.createCache(1);
 * torch.noGrad(() => {
 *   gpt.forward(torch.tensor([[1n, 2n, 3n]]), { cache });
 *   gpt.forward(torch.tensor([[4n]]), { cache }); // as if all four had been given
 * });
 * ```
 */
export class KeyValueCache extends torch.InThread {
  /** Number of sequences, B: the rows of every `write`. */
  readonly batch: number;
  readonly capacity: number;
  /** Number of positions written so far, the same for all layers. */
  length = 0;
  readonly #positions: Tensor; // [capacity], 0, 1, 2, …
  #layers: Tensor[];
  #keys: Tensor[];
  #values: Tensor[];
  readonly #windows = new Map<number, Window>();

  constructor({ nLayer, nHead, headSize, batch, capacity, dtype, device }: KeyValueCacheShape) {
    super('a cache', 'make one in each thread');
    this.batch = batch;
    this.capacity = capacity;
    // Filled with zeros, because masked positions must not be NaN.
    this.#layers = Array.from({ length: nLayer }, () =>
      torch.keep(torch.zeros([2, batch, nHead, capacity, headSize], { dtype, device })),
    );
    this.#positions = torch.keep(torch.arange(capacity, { dtype: 'int64', device }));
    this.#keys = this.#layers.map((layer) => torch.keep(layer.select(0, 0)));
    this.#values = this.#layers.map((layer) => torch.keep(layer.select(0, 1)));
  }

  /** Returns one layer's memory, keys first, then values: `[2, B, H, capacity, D]`. */
  layer(index: number): Tensor {
    return this.#of(this.#layers, index);
  }

  #of(tensors: readonly Tensor[], layer: number): Tensor {
    const found = tensors[layer];
    if (found) return found;
    throw new RangeError(
      this.#layers.length === 0
        ? 'The cache was disposed; create a new one.'
        : `The cache has no layer ${layer}; its layers are 0 to ${this.#layers.length - 1}.`,
    );
  }

  /**
   * Returns the cache at a position stored in a tensor `[1]`, for a one-token forward that is recorded and replayed
   * while the position advances. Attention covers the first `window` positions; those after the current one are masked.
   *
   * @param qkv concatenated query, key and value weights of each layer, used instead of the model's own
   */
  at(position: Tensor, window: number, qkv: readonly Affine[]): CacheAt {
    const { positions, zeros, keys, values } = this.#window(window);
    return {
      position,
      mask: zeros.maskedFill(positions.gt(position), -Infinity),
      qkv,
      write: (layer, keyAndValue) => {
        this.layer(layer).indexCopy_(3, position, keyAndValue);
        return [keys[layer]!, values[layer]!];
      },
    };
  }

  /** Returns the views of the first `size` positions, which are the same at each step: making them would cost time. */
  #window(size: number): Window {
    const known = this.#windows.get(size);
    if (known) return known;
    const { dtype, device } = this.layer(0);
    const made = torch.scope(() =>
      torch.keep({
        positions: this.#positions.narrow(0, 0, size).view([1, 1, 1, size]),
        zeros: torch.zeros([1, 1, 1, size], { dtype, device }),
        keys: this.#keys.map((keys) => keys.narrow(2, 0, size)),
        values: this.#values.map((values) => values.narrow(2, 0, size)),
      }),
    );
    this.#windows.set(size, made);
    return made;
  }

  /**
   * Appends one layer's keys and values `[B, H, T, D]` and returns views of all keys and values of that layer so
   * far, `[B, H, length + T, D]`. Call `advance(T)` after every layer has been written.
   */
  write(layer: number, key: Tensor, value: Tensor): [Tensor, Tensor] {
    const [keys, values] = [this.#of(this.#keys, layer), this.#of(this.#values, layer)];
    const [batch, , count] = key.shape as [number, number, number, number];
    if (batch !== this.batch) {
      throw new torch.ShapeError(
        `The cache was created for a batch size of ${this.batch}, but got ${batch} rows; create one for this batch size.`,
      );
    }
    if (this.length + count > this.capacity) {
      throw new RangeError(
        `The cache has a capacity of ${this.capacity} positions, of which ${this.length} are used: ${count} more do not fit; create a larger one.`,
      );
    }
    keys.narrow(2, this.length, count).copy_(key);
    values.narrow(2, this.length, count).copy_(value);
    return [keys.narrow(2, 0, this.length + count), values.narrow(2, 0, this.length + count)];
  }

  /** Advances `length` by `count`. Call it after every layer has been written. */
  advance(count: number): void {
    this.length += count;
  }

  /** Resets the length to 0 and keeps the memory. */
  reset(): void {
    this.length = 0;
  }

  /** Resets the length and zeroes the memory. NaN would pass through the mask, because masking adds to the scores. */
  clear(): void {
    this.reset();
    torch.noGrad(() => {
      for (const layer of this.#layers) layer.zero_();
    });
  }

  /** Frees the memory immediately. Writing afterwards throws. */
  dispose(): void {
    torch.dispose([this.#windows, this.#keys, this.#values, this.#layers, this.#positions]);
    this.#windows.clear();
    this.#layers = [];
    this.#keys = [];
    this.#values = [];
    this.length = 0;
  }

  /** Frees the memory; called by `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
