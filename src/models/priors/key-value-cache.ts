import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Affine } from './prior.js';

export interface KeyValueCacheShape {
  nLayer: number;
  nHead: number;
  /** Width of one head, `nEmbd / nHead`. */
  headSize: number;
  batch: number;
  /** Positions the cache can hold, conditioning and embeddings included. */
  capacity: number;
  dtype: torch.DType;
  device: torch.Device;
}

/** A {@link KeyValueCache} at a position that a tensor holds: see `KeyValueCache.at`. Nothing in it is read by the host. */
export interface CacheAt {
  /** int64 `[1]`. */
  readonly position: Tensor;
  /** Added to the scores: −∞ behind the position, else 0. [1, 1, 1, window] */
  readonly mask: Tensor;
  /** Query, key and value weights of each layer side by side. */
  readonly qkv: readonly Affine[];
  /** Writes one layer's key and value `[2, B, H, 1, D]`, and returns all keys and values in the window: `[B, H, window, D]`. */
  write(layer: number, keyAndValue: Tensor): [Tensor, Tensor];
}

/**
 * Keys and values of every layer for the positions a GPT has already seen, allocated once.
 *
 * Each layer holds one `[2, B, H, capacity, D]` tensor; new positions are written in place, so a token costs no
 * reallocation and no copy of what came before. The tensors belong to the cache, not to the scope it is made
 * in: call `dispose()` when done (or declare it with `using`).
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
  /** Sequences it was made for. */
  readonly batch: number;
  readonly capacity: number;
  /** Positions written so far, the same for all layers. */
  length = 0;
  readonly #positions: Tensor; // [capacity], 0, 1, 2, …
  #layers: Tensor[];
  #keys: Tensor[];
  #values: Tensor[];

  constructor({ nLayer, nHead, headSize, batch, capacity, dtype, device }: KeyValueCacheShape) {
    super('a cache', 'make one in each thread');
    this.batch = batch;
    this.capacity = capacity;
    // Zeros, as what a mask hides must still be a number.
    this.#layers = Array.from({ length: nLayer }, () =>
      torch.keep(torch.zeros([2, batch, nHead, capacity, headSize], { dtype, device })),
    );
    this.#positions = torch.keep(torch.arange(capacity, { dtype: 'int64', device }));
    this.#keys = this.#layers.map((layer) => torch.keep(layer.select(0, 0)));
    this.#values = this.#layers.map((layer) => torch.keep(layer.select(0, 1)));
  }

  /** Returns one layer's memory, keys before values: `[2, B, H, capacity, D]`. */
  layer(index: number): Tensor {
    return this.#of(this.#layers, index);
  }

  #of(tensors: readonly Tensor[], layer: number): Tensor {
    const found = tensors[layer];
    if (found) return found;
    throw new RangeError(
      `The cache has ${this.#layers.length} layers and was disposed or has no layer ${layer}.`,
    );
  }

  /**
   * Returns the cache at a position that a tensor `[1]` holds, for a forward of one token that is recorded and replayed
   * while the position moves on. Attention looks at the first `window` positions, of which the later are hidden.
   *
   * @param qkv query, key and value weights of each layer side by side, which the forward reads instead of the model's own
   */
  at(position: Tensor, window: number, qkv: readonly Affine[]): CacheAt {
    const hidden = this.#positions.narrow(0, 0, window).gt(position);
    const { dtype, device } = this.layer(0);
    const mask = torch.zeros([window], { dtype, device }).maskedFill(hidden, -Infinity);
    return {
      position,
      mask: mask.view([1, 1, 1, window]),
      qkv,
      write: (layer, keyAndValue) => {
        this.layer(layer).indexCopy_(3, position, keyAndValue);
        return [this.#keys[layer]!.narrow(2, 0, window), this.#values[layer]!.narrow(2, 0, window)];
      },
    };
  }

  /**
   * Writes one layer's keys and values `[B, H, T, D]` behind the positions already there and returns all of
   * the layer's keys and values so far, `[B, H, length + T, D]`, as views. `advance(T)` follows once every
   * layer has written.
   */
  write(layer: number, key: Tensor, value: Tensor): [Tensor, Tensor] {
    const [keys, values] = [this.#of(this.#keys, layer), this.#of(this.#values, layer)];
    const [batch, , count] = key.shape as [number, number, number, number];
    if (batch !== this.batch) {
      throw new torch.ShapeError(
        `The cache was made for a batch of ${this.batch}, but this one has ${batch} rows.`,
      );
    }
    if (this.length + count > this.capacity) {
      throw new RangeError(
        `The cache holds ${this.capacity} positions; ${this.length} are taken and ${count} more do not fit.`,
      );
    }
    keys.narrow(2, this.length, count).copy_(key);
    values.narrow(2, this.length, count).copy_(value);
    return [keys.narrow(2, 0, this.length + count), values.narrow(2, 0, this.length + count)];
  }

  /** Counts `count` positions as written, once every layer has. */
  advance(count: number): void {
    this.length += count;
  }

  /** Forgets every position; the memory stays. */
  reset(): void {
    this.length = 0;
  }

  /** The same, and what was written: NaN would show through a mask, which adds to what it hides. */
  clear(): void {
    this.reset();
    torch.noGrad(() => {
      for (const layer of this.#layers) layer.zero_();
    });
  }

  /** Frees the memory at once; writing is an error afterwards. */
  dispose(): void {
    torch.dispose([this.#keys, this.#values, this.#layers, this.#positions]);
    this.#layers = [];
    this.#keys = [];
    this.#values = [];
    this.length = 0;
  }

  /** For `using`: frees the memory. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
