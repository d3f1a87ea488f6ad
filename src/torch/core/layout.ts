// c10/core/Layout.h and c10/core/MemoryFormat.h; PyTorch has two names for some.
const layouts = {
  strided: 0,
  sparse: 1,
  sparse_coo: 1,
  sparse_csr: 2,
  mkldnn: 3,
  sparse_csc: 4,
  sparse_bsr: 5,
  sparse_bsc: 6,
  jagged: 7,
} as const;

const memoryFormats = {
  contiguous_format: 0,
  contiguous: 0,
  preserve_format: 1,
  preserve: 1,
  channels_last: 2,
  channels_last_3d: 3,
} as const;

/** Formats in which a tensor's elements can be stored. */
export type Layout = keyof typeof layouts;

/** The operators that return the compressed and the plain indices of a layout, and their names in schemas. */
export const compressedIndices: Readonly<Record<string, readonly [string, string]>> = {
  sparse_csr: ['crow_indices', 'col_indices'],
  sparse_csc: ['ccol_indices', 'row_indices'],
  sparse_bsr: ['crow_indices', 'col_indices'],
  sparse_bsc: ['ccol_indices', 'row_indices'],
};

/** The order of a dense tensor's dimensions in memory. */
export type MemoryFormat = keyof typeof memoryFormats;

/** Returns libtorch's number for a layout; undefined for an unknown name. */
export function layoutNumber(name: string): number | undefined {
  return Object.hasOwn(layouts, name) ? layouts[name as Layout] : undefined;
}

/** Returns the name of a layout from libtorch's number. */
export function layoutName(number: number): Layout {
  const names = Object.entries(layouts).filter(([, value]) => value === number);
  return names.at(-1)?.[0] as Layout;
}

/** Returns libtorch's number for a memory format; undefined for an unknown name. */
export function memoryFormatNumber(name: string): number | undefined {
  return Object.hasOwn(memoryFormats, name) ? memoryFormats[name as MemoryFormat] : undefined;
}

/** The properties that determine a tensor's layout in memory. */
interface Strided {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** True if two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** True if the elements are contiguous in the order of the dimensions, the last one fastest. */
export function isContiguous({ shape, strides }: Strided): boolean {
  return followEachOther(shape, strides, shape.map((_, dim) => dim).reverse());
}

/** True if the channels of `[N, C, …]` are contiguous and the other dimensions follow in order. */
export function isChannelsLast({ shape, strides }: Strided): boolean {
  const space = shape.map((_, dim) => dim).slice(2);
  return followEachOther(shape, strides, [1, ...space.reverse(), 0]);
}

/**
 * True if each dimension starts where the faster one ends. Strides of dimensions of one element are ignored; tensors
 * without elements always pass.
 */
function followEachOther(shape: readonly number[], strides: readonly number[], order: number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (const dim of order) {
    if (shape[dim] !== 1 && strides[dim] !== expected) return false;
    expected *= shape[dim]!;
  }
  return true;
}
