/** Values for the other types of schema arguments. */
import * as torch from '../../../src/torch/index.js';
import type { SchemaArgument } from '../../../src/torch/core/schema.js';
import type { Random } from './random.js';
import { shapeLike, tensorFor, type Common } from './tensors.js';

const EXTREME = [
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  2n ** 62n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  -(2n ** 62n),
  99,
  -99,
  1000,
  65536,
  10_000_000,
];
const FLOATS = [0, 1, -1, 0.5, 0.1, 1e-5, 2, -0.5, 10, 1.5];
const EXTREME_FLOATS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e308,
  -1e308,
  1e-320,
  2 ** 63,
  -0,
  1e10,
];
const TEXTS: Record<string, readonly string[]> = {
  mode: ['constant', 'reflect', 'replicate', 'circular', 'reduced', 'complete', 'r', 'bilinear', 'sum'],
  reduce: ['sum', 'prod', 'mean', 'amax', 'amin', 'max', 'min'],
  approximate: ['none', 'tanh'],
  indexing: ['ij', 'xy'],
  padding: ['same', 'valid'],
  equation: [
    'ij,jk->ik',
    'i,i->',
    'ij->ji',
    '...i,...i',
    'ii->i',
    'i',
    'ab,bc,cd->ad',
    '->',
    ',',
    'é',
    'i.j',
    'ijk,ijl->kl',
    '',
  ],
  rounding_mode: ['trunc', 'floor'],
  norm: ['forward', 'backward', 'ortho'],
  ord: ['fro', 'nuc'],
  p: ['fro', 'nuc'],
  driver: ['gels', 'gelsy', 'gelsd', 'gelss', 'gesvd'],
  interpolation: ['linear', 'lower', 'higher', 'midpoint', 'nearest'],
  side: ['left', 'right'],
  uplo: ['L', 'U'],
  UPLO: ['L', 'U'],
  pad_mode: ['constant', 'reflect', 'replicate'],
  filename: ['made-by-the-fuzz', './here.bin', 'not/there'],
};
const ANY_TEXT = [
  '',
  'a',
  'none',
  'mean',
  'sum',
  'x'.repeat(300),
  '\u0000',
  'é',
  'L',
  'cpu',
  'float32',
  '-1',
];
const DEVICES = [
  'cpu',
  'cpu',
  'meta',
  'cuda',
  'cuda:0',
  'cpu:7',
  'mps',
  'xla',
  'hip',
  'vulkan',
  'privateuseone',
  'lazy',
  'nonsense',
  '',
  'cuda:-1',
  'meta:3',
  'ipu',
  've',
  'mkldnn',
  'opengl',
  'maia',
  'hpu',
  'mtia',
  'fpga',
  'ideep',
  'opencl',
];
const LAYOUTS = [
  'strided',
  'sparse_coo',
  'sparse_csr',
  'sparse_csc',
  'sparse_bsr',
  'sparse_bsc',
  'mkldnn',
  'jagged',
  'nonsense',
];
const FORMATS = ['contiguous_format', 'preserve_format', 'channels_last', 'channels_last_3d', 'nonsense'];
const DTYPES = [...Object.keys(torch.itemSize), 'nonsense', 'bits8', ''];

const DIMENSION =
  /^(dim|dims|axis|axes|dim0|dim1|start_dim|end_dim|source|destination|normalized_shape|dims_self|dims_other|axis0|axis1|batch_dim|sparse_dim|dense_dim)$/;
const LENGTH =
  /size|shape|sizes|^n$|steps|num_|output|split|chunks|sections|^N$|^C$|^H$|^W$|length|rows|cols|^m$|^k$|window/;

export function extremeInteger(random: Random): number | bigint {
  return random.pick(EXTREME);
}

export function integer(random: Random, name: string, { shape, sizes, tidy }: Common): number | bigint {
  if (tidy && DIMENSION.test(name)) return random.int(0, Math.max(0, shape.length - 1));
  if (tidy)
    return LENGTH.test(name) && random.chance(0.7)
      ? random.pick(sizes)
      : random.int(/pad|reduction/.test(name) ? 0 : 1, 2);
  if (random.chance(0.06)) return extremeInteger(random);
  if (DIMENSION.test(name)) return random.int(-shape.length - 1, shape.length);
  if (LENGTH.test(name) && random.chance(0.5)) return random.pick(sizes);
  const roll = random.next();
  if (roll < 0.55) return random.int(0, 3);
  if (roll < 0.9) return random.int(-2, 7);
  return random.int(-70, 70);
}

function integers(random: Random, argument: SchemaArgument, shared: Common): unknown {
  const { name, size } = argument;
  if (shared.tidy) return tidyIntegers(random, argument, shared);
  if (size !== null && random.chance(0.25)) return integer(random, name, shared);
  if (LENGTH.test(name) && !/kernel|block/.test(name) && random.chance(0.5)) {
    const sizes: (number | bigint)[] = [...shapeLike(random, shared)];
    if (sizes.length > 0 && random.chance(0.2)) sizes[random.int(0, sizes.length - 1)] = -1;
    if (sizes.length > 0 && random.chance(0.08))
      sizes[random.int(0, sizes.length - 1)] = extremeInteger(random);
    return sizes;
  }
  const length = size !== null && random.chance(0.6) ? size : random.chance(0.01) ? 70 : random.int(0, 4);
  const small = /kernel|stride|dilation|padding|pad|block/.test(name) && random.chance(0.7);
  return Array.from({ length }, () =>
    small ? random.int(random.chance(0.1) ? -1 : 0, 3) : integer(random, name, shared),
  );
}

function tidyIntegers(random: Random, { name, size }: SchemaArgument, shared: Common): unknown {
  if (LENGTH.test(name) && !/kernel|block/.test(name))
    return random.chance(0.7) ? shared.shape : shared.shape.slice(-(size ?? 1));
  if (DIMENSION.test(name))
    return shared.shape.map((_, i) => i).slice(0, random.int(1, Math.max(1, shared.shape.length)));
  const length = size ?? (random.chance(0.5) ? shared.shape.length : random.int(1, 3));
  return Array.from({ length }, () => integer(random, name, shared));
}

function float(random: Random): number {
  return random.chance(0.12)
    ? random.pick(EXTREME_FLOATS)
    : random.chance(0.5)
      ? random.pick(FLOATS)
      : random.next() * 2;
}

function scalar(random: Random): unknown {
  const roll = random.next();
  if (roll < 0.4) return random.int(-2, 5);
  if (roll < 0.7) return float(random);
  if (roll < 0.75) return random.chance(0.5);
  if (roll < 0.8) return extremeInteger(random);
  if (roll < 0.85) return 3n;
  if (roll < 0.93) return torch.floatScalar(float(random));
  return torch.complexScalar(float(random), float(random));
}

function text(random: Random, name: string): string {
  const known = TEXTS[name];
  return known && random.chance(0.85) ? random.pick(known) : random.pick(ANY_TEXT);
}

function generator(random: Random): torch.Generator {
  return random.chance(0.5) ? torch.defaultGenerator() : new torch.Generator();
}

function one(random: Random, argument: SchemaArgument, shared: Common): unknown {
  switch (argument.base) {
    case 'Tensor':
      return tensorFor(random, argument.name, shared);
    case 'int':
      return integer(random, argument.name, shared);
    case 'float':
      return float(random);
    case 'bool':
      return random.chance(0.5);
    case 'Scalar':
    case 'number':
    case 'complex':
      return scalar(random);
    case 'str':
      return text(random, argument.name);
    case 'ScalarType':
      return random.pick(DTYPES);
    case 'Layout':
      return random.pick(LAYOUTS);
    case 'MemoryFormat':
      return random.pick(FORMATS);
    case 'Device':
      return random.pick(DEVICES);
    case 'Generator':
      return generator(random);
    default:
      return null;
  }
}

function tidyValue(random: Random, argument: SchemaArgument, shared: Common): unknown {
  const { base, name } = argument;
  if (base === 'float') return random.pick([0.1, 0.5, 1]);
  if (/Scalar$|number|complex/.test(base) && !argument.list) return random.pick([1, 2, 0.5]);
  if (base === 'str') return random.pick(TEXTS[name] ?? ANY_TEXT);
  if (base === 'ScalarType') return random.pick(['float32', 'float64', 'int64']);
  if (base === 'Layout') return 'strided';
  if (base === 'MemoryFormat') return 'contiguous_format';
  if (base === 'Device') return 'cpu';
  return one(random, argument, shared);
}

/** A value of the argument's type. */
export function valueFor(random: Random, argument: SchemaArgument, shared: Common): unknown {
  if (shared.tidy && (argument.default !== null || argument.optional) && random.chance(0.7)) return undefined;
  if (shared.tidy && !argument.list) return tidyValue(random, argument, shared);
  if (argument.optional && random.chance(0.35)) return random.chance(0.5) ? null : undefined;
  if (!argument.list) return one(random, argument, shared);
  if (argument.base === 'int') return integers(random, argument, shared);
  const length = random.chance(0.02)
    ? 300
    : random.chance(0.7) && argument.size
      ? argument.size
      : random.int(0, 4);
  return Array.from({ length }, () =>
    argument.elementOptional && random.chance(0.4) ? null : one(random, argument, shared),
  );
}
