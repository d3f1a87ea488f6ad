/** Conversion of weights between another project's layout and the reference's. */
import { unrecorded } from '../../../torch/core/unrecorded.js';
import * as torch from '../../../torch/index.js';
import type { DType, Tensor } from '../../../torch/index.js';
import type { CheckpointTensorInfo, LazyTensorMap } from '../../../torch/io/index.js';
import type { StateSource } from '../../../torch/nn/state-dict.js';

/** Conversion applied to a value. A 1×1 convolution's kernel is a linear layer's matrix with two more axes. */
export type Change = 'to-convolution' | 'to-linear' | 'unit-rows';

/** Source of a tensor in the new layout. */
export type Origin =
  { readonly key: string; readonly change?: Change } | { readonly zeros: readonly number[] };

/** Map from new keys to the sources of their tensors. */
export type KeyTable = ReadonlyMap<string, Origin>;

export interface KeyMap {
  readonly name: string;
  /** True if the keys have this layout. */
  recognises(keys: ReadonlySet<string>): boolean;
  /** Maps keys of this layout to the reference's. Unknown keys are passed through unchanged. */
  toReference(keys: readonly string[]): KeyTable;
  /** Maps the reference's keys to this layout's. */
  fromReference(keys: readonly string[]): KeyTable;
}

/**
 * Returns a view of a state dict under other keys. Tensors are read and converted on access.
 *
 * @example
 * ```ts
 * using checkpoint = await loadCheckpoint('vq_ds16_c2i.pt');
 * const keys = [...checkpoint.tensors.keys()];
 * const table = recogniseKeys(keys)!.toReference(keys);
 * const weights = withKeys(checkpoint.tensors, table); // under the reference's keys
 * ```
 */
export function withKeys(source: StateSource, table: KeyTable): StateSource & LazyTensorMap {
  return new Renamed(source, table);
}

class Renamed extends Map<string, Tensor> implements StateSource {
  readonly #source: StateSource;
  readonly #table: KeyTable;

  constructor(source: StateSource, table: KeyTable) {
    super();
    this.#source = source;
    this.#table = table;
  }

  override get size(): number {
    return this.#table.size;
  }

  override has(key: string): boolean {
    return this.#table.has(key);
  }

  override keys(): MapIterator<string> {
    return this.#table.keys();
  }

  info(key: string): CheckpointTensorInfo | undefined {
    const origin = this.#table.get(key);
    if (origin === undefined) return undefined;
    if ('zeros' in origin) return { shape: origin.zeros, dtype: 'float32' };
    const info = this.#source.info?.(origin.key);
    if (info !== undefined)
      return { shape: changedShape(info.shape, origin.change), dtype: info.dtype as DType };
    return torch.scope(() => {
      const tensor = this.get(key);
      return tensor && { shape: tensor.shape, dtype: tensor.dtype };
    });
  }

  override get(key: string): Tensor | undefined {
    const origin = this.#table.get(key);
    if (origin === undefined) return undefined;
    if ('zeros' in origin) return torch.zeros(origin.zeros);
    const value = this.#source.get(origin.key);
    if (value === undefined || origin.change === undefined) return value;
    return changed(value, origin.change);
  }

  override *values(): MapIterator<Tensor> {
    for (const key of this.keys()) yield this.get(key)!;
  }

  override *entries(): MapIterator<[string, Tensor]> {
    for (const key of this.keys()) yield [key, this.get(key)!];
  }

  override [Symbol.iterator](): MapIterator<[string, Tensor]> {
    return this.entries();
  }

  override forEach(fn: (value: Tensor, key: string, map: Map<string, Tensor>) => void): void {
    for (const [key, tensor] of this.entries()) fn(tensor, key, this);
  }
}

function changedShape(shape: readonly number[], change: Change | undefined): readonly number[] {
  if (change === 'to-convolution' && shape.length === 2) return [...shape, 1, 1];
  return change === 'to-linear' && shape.length === 4 ? shape.slice(0, 2) : shape;
}

function changed(value: Tensor, change: Change): Tensor {
  return unrecorded(() => {
    if (change !== 'unit-rows') return value.reshape([...changedShape(value.shape, change)]);
    const length = value.square().sum([1], true).sqrt();
    return value.div(length.clampMin(1e-12));
  });
}

/** Returns the number of levels: one more than the largest number after `prefix`. */
export function levelsBehind(keys: readonly string[], prefix: string): number {
  let levels = 0;
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const level = Number.parseInt(key.slice(prefix.length), 10);
    if (level >= levels) levels = level + 1;
  }
  return levels;
}

/** Builds a table from a function on keys; null omits a key. */
export function tableOf(
  keys: readonly string[],
  rename: (key: string) => string | { name: string; change?: Change } | null,
): Map<string, Origin> {
  const table = new Map<string, Origin>();
  for (const key of keys) {
    const renamed = rename(key);
    if (renamed === null) continue;
    const { name, change } = typeof renamed === 'string' ? { name: renamed, change: undefined } : renamed;
    table.set(name, change === undefined ? { key } : { key, change });
  }
  return table;
}
