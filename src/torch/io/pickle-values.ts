/** The results of unpickling: plain values where Python's are plain, inert stand-ins for everything else. */

export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Pickled[]
  | PickledTuple
  | PickledDict
  | PickledSet
  | PickledComplex
  | PickledGlobal
  | PickledObject
  | NumpyType
  | NumpyArray
  | StoredStorage
  | StoredTensor
  | TensorShard;

/** Throws an error about the pickle. */
export type Fail = (message: string) => never;
/** Builds a value from the arguments of a class or function. */
export type Constructor = (args: readonly Pickled[], fail: Fail) => Pickled;

export class PickledTuple {
  readonly items: readonly Pickled[];

  constructor(items: readonly Pickled[]) {
    this.items = items;
  }
}

export class PickledDict {
  /** null while empty: a pickle may hold millions of empty ones. */
  entries: Map<Pickled, Pickled> | null = null;
  /** Attributes, for classes such as argparse's Namespace that consist of them. */
  readonly attributes: boolean;

  constructor(attributes = false) {
    this.attributes = attributes;
  }

  set(key: Pickled, value: Pickled): void {
    this.entries ??= new Map();
    this.entries.set(key, value);
  }
}

export class PickledSet {
  readonly items: Pickled[];
  /** True for Python's frozenset, which can be a key. */
  readonly frozen: boolean;

  constructor(items: Pickled[], frozen = false) {
    this.items = items;
    this.frozen = frozen;
  }
}

export class PickledComplex {
  readonly re: number;
  readonly im: number;

  constructor(re: number, im: number) {
    this.re = re;
    this.im = im;
  }
}

/** A class or function that the pickle names; never looked up. */
export class PickledGlobal {
  /** `module.name` */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Returns the name of a class or function; `unknown` for any other value. */
export function nameOf(value: Pickled | undefined): string {
  return value instanceof PickledGlobal ? value.name : 'unknown';
}

/** A stand-in for the result of a class or function, which is never called. */
export class PickledObject {
  readonly global: string;
  readonly args: readonly Pickled[];
  state: Pickled | undefined = undefined;
  /** For subclasses of list, set and dict. */
  items: Pickled[] | null = null;
  entries: PickledDict | null = null;

  constructor(global: string, args: readonly Pickled[]) {
    this.global = global;
    this.args = args;
  }
}

/** A NumPy element type: kind and size such as `f8`, and the byte order. */
export class NumpyType {
  readonly code: string;
  bigEndian = false;

  constructor(code: string) {
    this.code = code;
  }
}

export class NumpyArray {
  shape: readonly number[] = [];
  type: NumpyType | null = null;
  columnMajor = false;
  data: Uint8Array = new Uint8Array(0);
  /** The elements of an array of Python objects. */
  objects: readonly Pickled[] | null = null;
}

/** A storage of the file, or a part of one. */
export class StoredStorage {
  readonly key: string;
  /** PyTorch's name of the element type; `uint8` for untyped storages. */
  readonly dtype: string;
  /** In bytes, like the lengths of the part and of the whole. */
  readonly offset: number;
  readonly length: number;
  readonly whole: number;

  constructor(key: string, dtype: string, offset: number, length: number, whole: number) {
    this.key = key;
    this.dtype = dtype;
    this.offset = offset;
    this.length = length;
    this.whole = whole;
  }
}

export interface StridedParts {
  readonly layout: 'strided';
  readonly storage: StoredStorage;
  /** In elements, like the strides. */
  readonly offset: number;
  readonly strides: readonly number[];
  readonly conjugate: boolean;
  readonly negative: boolean;
  readonly quantizer?: Quantizer;
}

export type Quantizer =
  | { readonly kind: 'tensor'; readonly scale: number; readonly zeroPoint: number }
  | {
      readonly kind: 'channel';
      readonly scales: StoredTensor;
      readonly zeroPoints: StoredTensor;
      readonly axis: number;
    };

export interface SparseParts {
  readonly layout: 'sparse_coo' | 'sparse_csr' | 'sparse_csc' | 'sparse_bsr' | 'sparse_bsc';
  /** The index tensors (one for COO, two for the others), followed by the values. */
  readonly parts: readonly StoredTensor[];
  readonly coalesced: boolean;
}

/** A tensor's class and the attributes that were set on it. */
export interface TensorAttributes {
  readonly global: string;
  readonly state: Pickled;
}

/** A tensor of the file that has not been read. */
export class StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly parts: StridedParts | SparseParts;
  attributes: TensorAttributes | null = null;

  constructor(dtype: string, shape: readonly number[], parts: StridedParts | SparseParts) {
    this.dtype = dtype;
    this.shape = shape;
    this.parts = parts;
  }
}

/** A part of a tensor that is distributed over several processes; the rest is in other files. */
export class TensorShard {
  /** The class of the whole. */
  readonly global: string;
  readonly shape: readonly number[];
  /** The distribution of the whole and the part that is here, for the error. */
  readonly part: string;

  constructor(global: string, shape: readonly number[], part: string) {
    this.global = global;
    this.shape = shape;
    this.part = part;
  }
}
