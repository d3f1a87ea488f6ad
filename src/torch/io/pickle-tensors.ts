/** PyTorch's own reductions of tensors, validated: no tensor may reach outside its storage. */
import { isDType, itemSize } from '../core/dtype.js';
import { PickledDict, PickledGlobal, PickledTuple, StoredStorage, StoredTensor } from './pickle-values.js';
import type { Constructor, Fail, Pickled, Quantizer, SparseParts } from './pickle-values.js';

/** More dimensions than libtorch itself creates. */
const MAX_DIMENSIONS = 64;

/** Element types by the names of their storage classes. */
const storageClasses: ReadonlyMap<string, string> = new Map([
  ['FloatStorage', 'float32'],
  ['DoubleStorage', 'float64'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
  ['ComplexFloatStorage', 'complex64'],
  ['ComplexDoubleStorage', 'complex128'],
  ['QInt8Storage', 'qint8'],
  ['QUInt8Storage', 'quint8'],
  ['QInt32Storage', 'qint32'],
  ['UntypedStorage', 'uint8'],
  ['_UntypedStorage', 'uint8'],
]);

/** Returns the typed storage class of a dtype; null for those whose storages are untyped, as in PyTorch. */
export function storageClassOf(dtype: string): string | null {
  return [...storageClasses].find(([, held]) => held === dtype)?.[0] ?? null;
}

const otherNames: Readonly<Record<string, string>> = {
  float: 'float32',
  double: 'float64',
  half: 'float16',
  long: 'int64',
  int: 'int32',
  short: 'int16',
  cfloat: 'complex64',
  cdouble: 'complex128',
  chalf: 'complex32',
};

/** Returns the bytes of an element; unsupported types all have one byte. */
function bytesOf(dtype: string): number {
  return isDType(dtype) ? itemSize[dtype] : 1;
}

/**
 * Reads a persistent identifier: `('storage', class, key, device, number of elements, view?)`. The device is where the
 * tensor was, and is ignored.
 */
export function storageOf(id: Pickled, fail: Fail): StoredStorage {
  const items = id instanceof PickledTuple ? id.items : [];
  const [kind, type, key, , count, view] = items;
  if (kind !== 'storage') return fail('a persistent identifier does not name a storage');
  if (!(type instanceof PickledGlobal)) return fail('a storage has no class');
  const dtype = storageClasses.get(type.name.slice(type.name.lastIndexOf('.') + 1));
  if (dtype === undefined || !type.name.startsWith('torch.')) {
    return fail(`a storage has the unknown class ${type.name}`);
  }
  if (typeof key !== 'string' && typeof key !== 'number') return fail('a storage has no key');
  const size = bytesOf(dtype);
  const length = byteLength(count, size, fail);
  if (!(view instanceof PickledTuple)) return new StoredStorage(String(key), dtype, 0, length, length);
  // Old files share storages through views: key of the view, offset and size in elements.
  const offset = byteLength(view.items[1], size, fail);
  const part = byteLength(view.items[2], size, fail);
  if (offset + part > length)
    fail(`a view of ${part} bytes from byte ${offset} exceeds its storage of ${length}`);
  return new StoredStorage(String(key), dtype, offset, part, length);
}

function byteLength(count: Pickled | undefined, size: number, fail: Fail): number {
  const bytes = isSize(count) ? count * size : Infinity;
  return Number.isSafeInteger(bytes) ? bytes : fail(`a storage has ${show(count)} elements`);
}

function isSize(value: Pickled | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function sizesOf(value: Pickled | undefined, what: string, fail: Fail): number[] {
  const items = value instanceof PickledTuple ? value.items : Array.isArray(value) ? value : null;
  if (items === null || items.length > MAX_DIMENSIONS || !items.every(isSize)) {
    return fail(`${what} ${show(value)}, not a list of sizes`);
  }
  return [...(items as number[])];
}

function show(value: Pickled | undefined): string {
  if (value instanceof PickledTuple || Array.isArray(value)) {
    const items = value instanceof PickledTuple ? value.items : value;
    const more = items.length > 8 ? ', …' : '';
    return `[${items.slice(0, 8).map(show).join(', ')}${more}]`;
  }
  return typeof value === 'object' && value !== null ? value.constructor.name : String(value).slice(0, 60);
}

function strided(
  [storage, offset, shape, strides]: readonly Pickled[],
  dtype: string | null,
  metadata: Pickled | undefined,
  fail: Fail,
  quantizer?: Quantizer,
): StoredTensor {
  if (!(storage instanceof StoredStorage)) return fail('a tensor has no storage');
  const sizes = sizesOf(shape, 'a tensor has the shape', fail);
  const steps = sizesOf(strides, 'a tensor has the strides', fail);
  if (steps.length !== sizes.length)
    fail(`a tensor has ${sizes.length} dimensions but ${steps.length} strides`);
  const start = isSize(offset) ? offset : fail(`a tensor starts at element ${show(offset)}`);
  const type = dtype ?? storage.dtype;
  const end = endOf(start, sizes, steps) * bytesOf(type);
  if (!(end <= storage.length)) {
    fail(
      `a ${type} tensor of shape ${show(sizes)}, strides ${show(steps)} and offset ${start} ends at byte ${end} ` +
        `of a storage of ${storage.length} bytes`,
    );
  }
  // However often strides of 0 repeat elements, their number must stay countable.
  if (!Number.isSafeInteger(sizes.reduce((product, size) => product * size, 1))) {
    fail(`a tensor of shape ${show(sizes)} has too many elements`);
  }
  return new StoredTensor(type, sizes, {
    layout: 'strided',
    storage,
    offset: start,
    strides: steps,
    conjugate: flag(metadata, 'conj'),
    negative: flag(metadata, 'neg'),
    ...(quantizer && { quantizer }),
  });
}

function flag(metadata: Pickled | undefined, name: string): boolean {
  return metadata instanceof PickledDict && metadata.entries?.get(name) === true;
}

/** Returns the position after the last element, in elements; 0 for a tensor without elements. */
export function endOf(offset: number, shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((end, size, d) => end + (size - 1) * (strides[d] as number), offset) + 1;
}

function dtypeOf(value: Pickled | undefined, fail: Fail): string {
  if (!(value instanceof PickledGlobal) || !value.name.startsWith('torch.')) {
    return fail("the element type is not one of torch's");
  }
  const name = value.name.slice('torch.'.length);
  return otherNames[name] ?? name;
}

function tensorOf(value: Pickled | undefined, fail: Fail): StoredTensor {
  return value instanceof StoredTensor ? value : fail('a part is not a tensor');
}

function quantizerOf(value: Pickled | undefined, fail: Fail): Quantizer {
  const [scheme, first, second, axis] = value instanceof PickledTuple ? value.items : [];
  const name = scheme instanceof PickledGlobal ? scheme.name : '';
  if (name === 'torch.per_tensor_affine' && typeof first === 'number' && typeof second === 'number') {
    return { kind: 'tensor', scale: first, zeroPoint: second };
  }
  if (name.startsWith('torch.per_channel_affine') && isSize(axis)) {
    return { kind: 'channel', scales: tensorOf(first, fail), zeroPoints: tensorOf(second, fail), axis };
  }
  return fail('the quantization scheme is unknown');
}

function sparse([layout, data]: readonly Pickled[], fail: Fail): StoredTensor {
  const name = typeof layout === 'string' ? layout.replace(/^torch\./, '') : '';
  const items = data instanceof PickledTuple ? data.items : fail('a sparse tensor has no parts');
  const compressed = /^sparse_(csr|csc|bsr|bsc)$/.test(name);
  if (!compressed && name !== 'sparse_coo')
    return fail(`a tensor has the unsupported layout ${show(layout)}`);
  const count = compressed ? 3 : 2;
  const parts = items.slice(0, count).map((part) => tensorOf(part, fail));
  const values = parts.at(-1) ?? fail('a sparse tensor has no values');
  return new StoredTensor(values.dtype, sizesOf(items[count], 'a sparse tensor has the shape', fail), {
    layout: name as SparseParts['layout'],
    parts,
    coalesced: items[count + 1] === true,
  });
}

const utils: Readonly<Record<string, Constructor>> = {
  _rebuild_tensor: (args, fail) => strided(args, null, undefined, fail),
  _rebuild_tensor_v2: (args, fail) => strided(args, null, args[6], fail),
  _rebuild_tensor_v3: (args, fail) => strided(args, dtypeOf(args[6], fail), args[7], fail),
  _rebuild_qtensor: (args, fail) => strided(args, null, undefined, fail, quantizerOf(args[4], fail)),
  _rebuild_sparse_tensor: sparse,
  _rebuild_sparse_csr_tensor: sparse,
  // Created on the CPU, and moved to another kind of device on loading.
  _rebuild_device_tensor_from_cpu_tensor: ([data, type], fail) => {
    const tensor = tensorOf(data, fail);
    return tensor.dtype === dtypeOf(type, fail) ? tensor : null;
  },
};

export const rebuilders: readonly (readonly [string, Constructor])[] = Object.entries(utils).map(
  ([name, rebuild]) => [`torch._utils.${name}`, rebuild],
);

const byName = new Map(rebuilders);

/** Calls one of PyTorch's rebuild functions that was itself an argument; null if it is not one of them. */
export function rebuildTensor(fn: Pickled | undefined, args: Pickled | undefined, fail: Fail): Pickled {
  const rebuild = fn instanceof PickledGlobal ? byName.get(fn.name) : undefined;
  if (rebuild === undefined) return null;
  return rebuild(args instanceof PickledTuple ? args.items : fail('the arguments are not a tuple'), fail);
}
