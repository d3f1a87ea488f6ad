import { itemSize } from '../core/dtype.js';
import type { DType } from '../core/dtype.js';
import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { writeAll, writeAtomically } from '../../files/atomic-file.js';
import { fail } from './checkpoint-error.js';
import { isLazyMap } from './lazy-tensors.js';
import { buildHeader, formatOf, type PlannedEntry } from './safetensors.js';
import { eachChunk, rowMajor } from './tensor-bytes.js';

export interface SaveOptions {
  /** Strings kept in the header. */
  metadata?: Readonly<Record<string, string>>;
  /** Called as the file grows, from 0 on, with the bytes of tensors that are written, and those of all. */
  onProgress?: (done: number, total: number) => void;
}

/** A tensor to write: in memory, or in a file until it is written. */
interface Item {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  value(): Tensor;
}

/**
 * Writes tensors to a safetensors file. The write is atomic: the file is written under another name in the same folder,
 * flushed to the disk and renamed. The values are those at the time of the call: all of them are read before it returns
 * its promise, so training may continue while that is pending.
 *
 * Larger elements come first, so that every tensor is aligned to its element size; otherwise the order is that of the
 * map or object. Tensors that share memory are written separately. Any device, dtype and layout is accepted; sparse
 * tensors are written dense. For a checkpoint's lazy map, one tensor at a time is read and written.
 *
 * @param tensors a Map or object; keys as from `model.stateDict()`
 * @throws CheckpointError or the system's error; an existing file of that name is then left unchanged
 *
 * @example
 * ```ts
 * const model = new nn.Linear(2, 3);
 * await saveSafetensors('linear.safetensors', model.stateDict(), { metadata: { step: '100' } });
 * ```
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  { metadata = {}, onProgress }: SaveOptions = {},
): Promise<void> {
  const items = itemsOf(tensors).sort((a, b) => itemSize[b.dtype] - itemSize[a.dtype]);
  const planned = items.map(describe);
  const header = buildHeader(planned, checked(metadata));
  const total = planned.reduce((sum, [, { byteLength }]) => sum + byteLength, 0);
  let done = 0;
  await writeAtomically(path, (descriptor) => {
    writeAll(descriptor, header);
    onProgress?.(0, total);
    const write = (bytes: Uint8Array) => {
      writeAll(descriptor, bytes);
      onProgress?.((done += bytes.length), total);
    };
    for (const item of items) unrecorded(() => eachChunk(rowMajor(item.value()), write));
  });
}

function itemsOf(tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>): Item[] {
  if (isLazyMap(tensors)) {
    return [...tensors.keys()].map((name) => {
      const { dtype, shape } = tensors.info(name)!;
      return { name: checkedName(name), dtype, shape, value: () => tensors.get(name)! };
    });
  }
  const entries =
    tensors instanceof Map ? [...(tensors as ReadonlyMap<string, Tensor>)] : Object.entries(tensors);
  return entries.map(([name, tensor]) => {
    if (!(tensor instanceof torch.Tensor))
      throw new torch.ArgumentError(`${JSON.stringify(name)} is not a tensor`);
    return { name: checkedName(name), dtype: tensor.dtype, shape: tensor.shape, value: () => tensor };
  });
}

function checkedName(name: string): string {
  if (name === '__metadata__') throw new torch.ArgumentError("a tensor cannot be called '__metadata__'");
  if (/\p{Surrogate}/u.test(name))
    throw new torch.ArgumentError(`${JSON.stringify(name)} is not valid Unicode`);
  return name;
}

function describe({ name, dtype, shape }: Item): PlannedEntry {
  const format = formatOf(dtype);
  if (format === undefined) {
    fail('dtype', `tensor ${JSON.stringify(name)} is ${dtype}, which safetensors cannot hold; cast it first`);
  }
  const count = shape.reduce((product, size) => product * size, 1);
  return [name, { format, shape, byteLength: count * itemSize[dtype] }];
}

function checked(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      fail('metadata', `metadata ${JSON.stringify(key)} is not a string; use JSON.stringify`);
    }
  }
  return metadata;
}
