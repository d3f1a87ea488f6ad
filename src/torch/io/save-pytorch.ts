import { basename, extname } from 'node:path';
import { itemSize } from '../core/dtype.js';
import type { DType } from '../core/dtype.js';
import { groupBy } from '../core/group-by.js';
import { unrecorded } from '../core/unrecorded.js';
import { Tensor } from '../index.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { CheckpointError } from './checkpoint-error.js';
import { isLazyMap } from './lazy-tensors.js';
import type { LazyTensorMap } from './lazy-tensors.js';
import { pickle } from './pickler.js';
import type { PickledTensorRecord } from './pickler.js';
import { endOf, storageClassOf } from './pickle-tensors.js';
import { eachChunk, rowMajor } from './tensor-bytes.js';
import { ZipWriter } from './zip-writer.js';

/** One storage of the file, read when it is written. */
interface Storage {
  readonly key: string;
  readonly bytes: number;
  /** Returns a contiguous CPU tensor with the storage's elements, in the current scope. */
  values(): Tensor;
}

/** A stand-in for a tensor of a lazy map. */
class LazyTensor {
  readonly source: LazyTensorMap;
  readonly name: string;

  constructor(source: LazyTensorMap, name: string) {
    this.source = source;
    this.name = name;
  }
}

/**
 * Writes a file that PyTorch reads, also with `torch.load(path, weights_only=True)`. The write is atomic;
 * the values are those at the time of the call.
 *
 * Tensors that share memory share it in the file; others are written without the memory around them.
 * Dtypes without a storage class in PyTorch need PyTorch 2.1 or later to read. Sparse tensors are written dense.
 *
 * @param value tensors in nested arrays, objects and Maps (also a checkpoint's lazy map, of which one tensor at a time
 *   is read and written), and numbers, bigints, strings, booleans, null and Uint8Arrays. Whole numbers become
 *   Python's ints.
 * @throws ArgumentError that gives the path of a value that a checkpoint cannot hold
 *
 * @example
 * ```ts
 * const model = new nn.Linear(2, 3);
 * await savePytorch('linear.pt', { state_dict: model.stateDict(), step: 100 }); // torch.load reads it
 * ```
 */
export async function savePytorch(path: string, value: unknown): Promise<void> {
  const tensors = new Set<Tensor>();
  const plain = unfolded(value, tensors);
  const storages = new Storages(tensors);
  const bytes = pickle(plain, (member) => storages.recordOf(member));
  const root = basename(path, extname(path)) || 'archive';
  await writeAtomically(path, (descriptor) => {
    const zip = new ZipWriter(descriptor);
    zip.addBytes(`${root}/data.pkl`, bytes);
    zip.addBytes(`${root}/byteorder`, Buffer.from('little'));
    for (const storage of storages.list) {
      zip.add(`${root}/data/${storage.key}`, storage.bytes, (take) =>
        unrecorded(() => eachChunk(storage.values(), take)),
      );
    }
    zip.addBytes(`${root}/version`, Buffer.from('3\n'));
    zip.finish();
  });
}

/** Turns a lazy map into a dictionary of stand-ins, so that nothing is read yet, and adds all tensors to `tensors`. */
function unfolded(value: unknown, tensors: Set<Tensor>): unknown {
  const inner = (item: unknown) => unfolded(item, tensors);
  if (value instanceof Tensor) tensors.add(value);
  if (value instanceof Tensor || ArrayBuffer.isView(value)) return value;
  if (isLazyMap(value)) {
    return new Map([...value.keys()].map((name) => [name, new LazyTensor(value, name)]));
  }
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key as unknown, inner(item)]));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]));
}

class Storages {
  readonly list: Storage[] = [];
  readonly #records = new Map<unknown, PickledTensorRecord>();
  readonly #lazy = new Map<string, PickledTensorRecord>();

  constructor(tensors: ReadonlySet<Tensor>) {
    for (const [memory, users] of groupBy(tensors, memoryOf))
      this.#addAll(users, memory.startsWith('shared'));
  }

  recordOf(value: unknown): PickledTensorRecord | null {
    if (value instanceof LazyTensor) return this.#lazyRecord(value);
    return this.#records.get(value) ?? null;
  }

  #addAll(users: readonly Tensor[], plain: boolean): void {
    const [first] = users as [Tensor];
    const extents = users.map(extentOf);
    const begin = Math.min(...extents.map((extent) => extent.begin));
    const end = Math.max(...extents.map((extent) => extent.end));
    // A tensor that does not fill its memory and shares it with no other is written without the gaps.
    if (!plain || (users.length === 1 && end - begin > first.numel())) {
      for (const tensor of users) {
        const { dtype, shape } = tensor;
        const record = this.#add(dtype, shape, () => rowMajor(tensor));
        this.#records.set(tensor, record);
      }
      return;
    }
    const values = () => first.detach().asStrided([end - begin], [1], begin);
    const record = this.#add(first.dtype, [end - begin], values);
    for (const tensor of users) {
      const { shape, strides } = tensor;
      this.#records.set(tensor, { ...record, shape, strides, offset: tensor.storage.offset - begin });
    }
  }

  /** Adds a storage that one tensor fills, in row-major order. */
  #add(dtype: DType, shape: readonly number[], values: () => Tensor): PickledTensorRecord {
    if (dtype.startsWith('q'))
      throw new CheckpointError('dtype', `${dtype} tensors cannot be saved; dequantize them first`);
    const key = String(this.list.length);
    const elements = shape.reduce((product, size) => product * size, 1);
    const bytes = elements * itemSize[dtype];
    this.list.push({ key, bytes, values });
    const ownClass = storageClassOf(dtype);
    const count = ownClass === null ? bytes : elements;
    const strides = rowMajorStrides(shape);
    return { key, storageClass: ownClass, dtype, count, offset: 0, shape, strides };
  }

  #lazyRecord({ source, name }: LazyTensor): PickledTensorRecord {
    const identity = source.identity?.(name);
    const known = identity === undefined ? undefined : this.#lazy.get(identity);
    if (known !== undefined) return known;
    const { dtype, shape } = source.info(name)!;
    const record = this.#add(dtype, shape, () => rowMajor(source.get(name)!));
    if (identity !== undefined) this.#lazy.set(identity, record);
    return record;
  }
}

/** Returns equal values for dense CPU tensors of one dtype in the same memory. */
function memoryOf(tensor: Tensor): string {
  const { address } = tensor.storage;
  const plain = tensor.device === 'cpu' && address !== 0 && !tensor.dtype.startsWith('q');
  const lazy = plain && (tensor.isConj() || tensor.isNeg());
  return plain && !lazy ? `shared ${address} ${tensor.dtype}` : `alone ${tensor.handle}`;
}

/** Returns the elements of its memory that a tensor reaches. */
function extentOf({ shape, strides, storage }: Tensor): { begin: number; end: number } {
  const begin = storage.offset;
  return { begin, end: Math.max(begin, endOf(begin, shape, strides)) };
}

function rowMajorStrides(shape: readonly number[]): number[] {
  return shape.map((_, d) => shape.slice(d + 1).reduce((step, size) => step * Math.max(size, 1), 1));
}
