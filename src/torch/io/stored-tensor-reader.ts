import { isDType, itemSize } from '../core/dtype.js';
import { groupBy } from '../core/group-by.js';
import { isContiguous } from '../core/layout.js';
import * as torch from '../index.js';
import type { DType, Tensor } from '../index.js';
import { CheckpointError } from './checkpoint-error.js';
import type { CheckpointTensorInfo, TensorReader } from './lazy-tensors.js';
import { endOf } from './pickle-tensors.js';
import type { SparseParts, StoredStorage, StoredTensor, StridedParts } from './pickle-values.js';

/** The source of the storages' bytes. */
export interface StorageSource {
  /** Fills a contiguous CPU tensor with `length` bytes of a storage, starting at byte `from`. */
  fill(storage: StoredStorage, from: number, length: number, target: Tensor): void;
}

type Strided = StoredTensor & { readonly parts: StridedParts };

/** The bytes of a storage that a tensor needs. */
interface Span {
  begin: number;
  end: number;
}

/** Storages of several dtypes are cut at multiples of the largest element size. */
const ALIGNMENT = 16;

/** Makes tensors from a PyTorch file's descriptions. */
export class StoredTensorReader implements TensorReader {
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #source: StorageSource;

  constructor(tensors: ReadonlyMap<string, StoredTensor>, source: StorageSource) {
    this.#tensors = tensors;
    this.#source = source;
  }

  #entry(key: string): StoredTensor {
    const tensor = this.#tensors.get(key);
    if (tensor === undefined) throw new torch.ArgumentError(`the file has no tensor ${JSON.stringify(key)}`);
    return tensor;
  }

  info(key: string): CheckpointTensorInfo {
    const tensor = this.#entry(key);
    return { shape: [...tensor.shape], dtype: dtypeOf(tensor, key) };
  }

  read(key: string): Tensor {
    return this.#make(this.#entry(key), key);
  }

  readMany(keys: readonly string[]): Tensor[] {
    const plain = [...new Set(keys)].flatMap((key) => {
      const tensor = this.#entry(key);
      return isStrided(tensor) && !isChanged(tensor) ? [{ tensor, key }] : [];
    });
    const shared = groupBy(plain, ({ tensor }) => tensor.parts.storage.key);
    const views = new Map<string, Tensor>();
    // One at a time and not by storage, so that the result's order is the order of reading.
    return keys.map((key) => {
      const found = views.get(key);
      if (found !== undefined) return found.detach();
      const tensor = this.#entry(key);
      const users = isStrided(tensor) ? (shared.get(tensor.parts.storage.key) ?? []) : [];
      if (users.length < 2) return this.read(key);
      for (const [name, view] of this.#readShared(users)) views.set(name, view);
      return views.get(key) as Tensor;
    });
  }

  readInto(key: string, target: Tensor): void {
    const tensor = this.#entry(key);
    if (isStrided(tensor) && !isChanged(tensor) && isRowMajor(tensor)) {
      this.#fill(tensor, target);
      return;
    }
    torch.scope(() => {
      const value = this.#make(tensor, key);
      torch.noGrad(() => target.copy_(isStrided(tensor) ? value : value.toDense()));
    });
  }

  identity(key: string): string | undefined {
    const tensor = this.#entry(key);
    if (!isStrided(tensor) || isChanged(tensor)) return undefined;
    const { storage, offset, strides } = tensor.parts;
    return JSON.stringify([storage.key, storage.offset, offset, strides, tensor.shape, tensor.dtype]);
  }

  #make(tensor: StoredTensor, key: string): Tensor {
    if (isStrided(tensor)) return this.#makeStrided(tensor, key);
    return torch.scope(() => this.#makeSparse(tensor, tensor.parts as SparseParts, key));
  }

  #fill(tensor: Strided, target: Tensor): void {
    const { begin, end } = spanOf(tensor);
    if (end > begin) this.#source.fill(tensor.parts.storage, begin, end - begin, target);
  }

  #makeStrided(tensor: Strided, key: string): Tensor {
    const dtype = dtypeOf(tensor, key);
    const plain = storedAs[dtype] ?? dtype;
    return torch.scope(() => {
      let value: Tensor;
      if (isRowMajor(tensor)) {
        value = torch.empty([...tensor.shape], { dtype: plain });
        this.#fill(tensor, value);
      } else {
        const { begin, end } = spanOf(tensor);
        const base = torch.empty([(end - begin) / itemSize[dtype]], { dtype: plain });
        this.#fill(tensor, base);
        value = base.asStrided([...tensor.shape], [...tensor.parts.strides], 0);
      }
      return this.#finish(tensor, value, key);
    });
  }

  #finish({ parts }: Strided, value: Tensor, key: string): Tensor {
    if (parts.quantizer?.kind === 'tensor') {
      const { scale, zeroPoint } = parts.quantizer;
      const args = [value, scale, zeroPoint];
      return torch.callOperator('aten::_make_per_tensor_quantized_tensor', '', args) as Tensor;
    }
    if (parts.quantizer?.kind === 'channel') {
      const { scales, zeroPoints, axis } = parts.quantizer;
      const arguments_ = [value, this.#make(scales, key), this.#make(zeroPoints, key), axis];
      return torch.callOperator('aten::_make_per_channel_quantized_tensor', '', arguments_) as Tensor;
    }
    let result = value;
    if (parts.conjugate) result = result.conjPhysical();
    if (parts.negative) result = result.neg();
    return result;
  }

  /** Reads views of one storage: the bytes that any of them needs, once. */
  #readShared(users: readonly { tensor: Strided; key: string }[]): Map<string, Tensor> {
    const spans = users.map(({ tensor }) => absoluteSpan(tensor));
    const begin = Math.floor(Math.min(...spans.map((span) => span.begin)) / ALIGNMENT) * ALIGNMENT;
    const end = Math.max(begin, ...spans.map((span) => span.end));
    const dtypes = new Set(users.map(({ tensor, key }) => dtypeOf(tensor, key)));
    const [only] = dtypes;
    const single = dtypes.size === 1 ? only : undefined;
    const { storage } = (users[0] as { tensor: Strided }).tensor.parts;
    return torch.scope(() => {
      // Bytes after the end, up to a multiple of every element size, are never read.
      const size = Math.ceil((end - begin) / ALIGNMENT) * ALIGNMENT;
      const base = torch.empty([size / (single ? itemSize[single] : 1)], { dtype: single ?? 'uint8' });
      if (end > begin) this.#source.fill(storage, begin - storage.offset, end - begin, base);
      return new Map(
        users.map(({ tensor, key }) => {
          const dtype = dtypeOf(tensor, key);
          const typed = single ? base : base.view(dtype);
          const offset = (tensor.parts.storage.offset - begin) / itemSize[dtype] + tensor.parts.offset;
          return [key, typed.asStrided([...tensor.shape], [...tensor.parts.strides], offset)];
        }),
      );
    });
  }

  #makeSparse({ shape }: StoredTensor, { layout, parts, coalesced }: SparseParts, key: string): Tensor {
    const tensors = parts.map((part) => this.#make(part, key));
    const call = (name: string, args: unknown[], kwargs: Record<string, unknown> = {}) =>
      torch.callOperator(`aten::${name}`, '', args, kwargs) as Tensor;
    // libtorch does not validate the indices unless asked to.
    if (layout === 'sparse_coo') {
      call('_validate_sparse_coo_tensor_args', [...tensors, [...shape], coalesced]);
      return call('_sparse_coo_tensor_unsafe', [...tensors, [...shape]], { is_coalesced: coalesced });
    }
    call('_validate_sparse_compressed_tensor_args', [...tensors, [...shape], layout]);
    return call('_sparse_compressed_tensor_unsafe', [...tensors, [...shape]], { layout });
  }
}

/** Quantized tensors are built from their integers. */
const storedAs: Partial<Record<DType, DType>> = { qint8: 'int8', quint8: 'uint8', qint32: 'int32' };

function isStrided(tensor: StoredTensor): tensor is Strided {
  return tensor.parts.layout === 'strided';
}

/** True if the bytes in the file are not the values themselves. */
function isChanged({ parts }: Strided): boolean {
  return parts.conjugate || parts.negative || parts.quantizer !== undefined;
}

function isRowMajor({ shape, parts }: Strided): boolean {
  return isContiguous({ shape, strides: parts.strides });
}

function spanOf(tensor: Strided): Span {
  const size = isDType(tensor.dtype) ? itemSize[tensor.dtype] : 1;
  const end = endOf(tensor.parts.offset, tensor.shape, tensor.parts.strides) * size;
  return end === 0 ? { begin: 0, end: 0 } : { begin: tensor.parts.offset * size, end };
}

function absoluteSpan(tensor: Strided): Span {
  const { begin, end } = spanOf(tensor);
  const { offset } = tensor.parts.storage;
  return { begin: offset + begin, end: offset + end };
}

function dtypeOf({ dtype }: StoredTensor, key: string): DType {
  if (isDType(dtype)) return dtype;
  throw new CheckpointError('dtype', `tensor ${JSON.stringify(key)} has the unsupported dtype ${dtype}`);
}
