import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Affine } from '../../torch/nn/index.js';

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

/** Some rows of a {@link KeyValueCache}, each of which continues at a position of its own; see `KeyValueCache.rows`. */
export interface CacheRows {
  /** Positions of the T tokens that are given for each of the N rows, int64 `[N, T]`. */
  readonly position: Tensor;
  /**
   * Mask added to the scores: −∞ where a token does not attend to a position, otherwise 0, `[N, 1, T, window]`; null: each
   * attends to those given, up to its own.
   */
  readonly mask: Tensor | null;
  /** Writes one layer's keys and values `[N, H, T, D]` and returns those attended to. */
  write(layer: number, key: Tensor, value: Tensor): [Tensor, Tensor];
}

/** What a forward takes as its cache. */
export type AnyCache = KeyValueCache | CacheAt | CacheRows;

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

  /** Size of the memory in bytes. */
  get bytes(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.numel() * torch.itemSize[layer.dtype], 0);
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

  /**
   * Returns some rows of the cache, for a forward of T tokens for each of them, at positions of its own. Earlier positions
   * of the row are known, and what is at later ones is overwritten when they are given. `length` is neither read nor changed.
   *
   * @param rows numbers of the rows, int64 `[N]`
   * @param position positions of the tokens, int64 `[N, T]`
   * @param window number of first positions that are attended to; null: nothing is known, and T positions from 0 are given
   * @param nUnmasked number of leading positions that attend to each other in both directions, all of which are known or given
   */
  rows(rows: Tensor, position: Tensor, window: number | null, nUnmasked = 0): CacheRows {
    const [, , heads, capacity, size] = this.layer(0).shape as [number, number, number, number, number];
    const head = torch.arange(heads, { dtype: 'int64', device: rows.device });
    const starts = rows.mul(heads).unsqueeze(1).add(head).mul(capacity); // [N, H]
    const places = starts.unsqueeze(2).add(position.unsqueeze(1)).flatten(); // [N·H·T]
    return {
      position,
      mask: window === null ? null : this.#maskOf(position.clamp(nUnmasked - 1), window),
      write: (layer, key, value) => {
        const memory = this.layer(layer);
        const written = torch.stack([key, value]).view([2, -1, size]);
        memory.view([2, -1, size]).indexCopy_(1, places, written);
        if (window === null) return [key, value];
        // Keys and values apart, because selecting along another dimension than the first is slow on a CPU.
        const read = (of: Tensor) => of.narrow(2, 0, window).indexSelect(0, rows); // [N, H, window, D]
        return [read(this.#keys[layer]!), read(this.#values[layer]!)];
      },
    };
  }

  /** Returns the mask of tokens that attend to all positions up to the given ones, `[N, T]`: `[N, 1, T, window]`. */
  #maskOf(last: Tensor, window: number): Tensor {
    const { dtype, device } = this.layer(0);
    const isLater = this.#positions.narrow(0, 0, window).gt(last.unsqueeze(-1)).unsqueeze(1);
    return torch.zeros(isLater.shape, { dtype, device }).maskedFill(isLater, -Infinity);
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
