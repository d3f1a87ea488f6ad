/** Tensors of every kind that the typed API can be given, most of them plausible, many not. */
import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';
import type { Random } from './random.js';

const { callOperator } = torch;

const usual: readonly DType[] = ['float32', 'float32', 'float32', 'float64', 'int64'];
const all = Object.keys(torch.itemSize) as DType[];
const plain = all.filter((dtype) => !/^q(u)?int/.test(dtype));
const SIZES = [0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8];
const LARGE_SIZES = [9, 16, 17, 33, 64];
const MOST_ELEMENTS = 2048;

/** Properties that the tensors of one call share, so that some of them fit each other. */
export interface Common {
  /** Nothing malformed: a call that may well work, for others to be made from. */
  tidy: boolean;
  dtype: DType;
  sizes: number[];
  shape: number[];
}

export function common(random: Random, rank: number | null, tidy: boolean): Common {
  const size = (): number =>
    tidy
      ? random.pick([2, 2, 3, 3, 4, 6])
      : random.chance(0.05)
        ? random.pick(LARGE_SIZES)
        : random.chance(0.05)
          ? 0
          : random.pick(SIZES);
  const sizes = [size(), size(), size()];
  const dims = rank ?? random.pick([0, 1, 1, 2, 2, 2, 3, 3, 4, 5]);
  const square = random.chance(0.3);
  const shape = Array.from({ length: dims }, () => (square ? sizes[0]! : random.pick(sizes)));
  return {
    tidy,
    dtype: random.chance(0.8) ? random.pick(usual) : random.pick(plain),
    sizes,
    shape: limited(shape),
  };
}

/** Shrinks a shape until its tensor is small. */
function limited(shape: number[]): number[] {
  const result = [...shape];
  while (result.reduce((n, size) => n * size, 1) > MOST_ELEMENTS) {
    const largest = result.indexOf(Math.max(...result));
    result[largest] = Math.max(1, result[largest]! >> 1);
  }
  return result;
}

export function shapeLike(random: Random, { shape, sizes, tidy }: Common): number[] {
  const roll = tidy ? random.next() * 0.62 : random.next();
  if (tidy && random.chance(0.15)) return [random.pick(sizes)];
  if (roll < 0.5) return shape;
  if (roll < 0.58) return shape.map((size) => (random.chance(0.5) ? 1 : size));
  if (roll < 0.64) return shape.slice(random.int(0, shape.length));
  if (roll < 0.7) return shape.slice(0, random.int(0, shape.length));
  if (roll < 0.76) return [...shape].reverse();
  if (random.chance(0.03)) return Array.from({ length: random.pick([9, 26, 64]) }, () => 1);
  const rank = random.int(0, 5);
  const pool = random.chance(0.8) ? sizes : SIZES;
  return limited(Array.from({ length: rank }, () => random.pick(pool)));
}

const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e30, -1e30, 1e-40];
const EXTREME = [2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 62, -(2 ** 62), 1000, -1000, 100];

/** Values for positions in `size` elements: mostly inside. */
export function indices(random: Random, shape: readonly number[], size: number, dtype: DType): Tensor {
  const high = Math.max(1, size);
  const low = random.chance(0.2) ? -high : 0;
  const beyond = random.chance(0.15) ? random.pick([1, 3, 50]) : 0;
  const tensor = torch.randint(low, high + beyond, shape);
  if (random.chance(0.1) && tensor.numel() > 0)
    tensor
      .reshape([-1])
      .select(0, random.int(0, tensor.numel() - 1))
      .fill_(random.pick(EXTREME));
  return dtype === 'int64' ? tensor : tensor.to(dtype);
}

/** A dense tensor. */
function dense(random: Random, shape: readonly number[], dtype: DType): Tensor {
  if (torch.isFloatingPoint(dtype) || torch.isComplex(dtype)) {
    const made = torch.randn(shape, { dtype: dtype === 'float64' ? 'float64' : 'float32' });
    const positive = random.chance(0.15) ? made.abs() : made;
    if (random.chance(0.1) && positive.numel() > 0)
      positive
        .reshape([-1])
        .select(0, random.int(0, positive.numel() - 1))
        .fill_(random.pick(SPECIAL));
    return positive.dtype === dtype ? positive : positive.to(dtype);
  }
  if (random.chance(0.05)) return indices(random, shape, 4, dtype);
  return torch.randint(random.chance(0.3) ? -3 : 0, 9, shape).to(dtype);
}

/** Layouts of a tensor: strided, overlapping, sparse and others. */
const forms: Record<string, (tensor: Tensor, random: Random) => Tensor> = {
  transposed: (tensor) => (tensor.ndim > 1 ? tensor.transpose(0, -1) : tensor),
  expanded: (tensor, random) => tensor.unsqueeze(0).expand([random.int(0, 4), ...tensor.shape]),
  spread: (tensor) =>
    callOperator('aten::expand', '', [tensor.reshape([-1]).slice(0, 0, 1).sum(), tensor.shape]),
  strided: (tensor, random) => (tensor.ndim > 0 ? tensor.slice(0, random.int(0, 1), null, 2) : tensor),
  overlapping: (tensor) =>
    tensor.numel() > 3 ? callOperator('aten::as_strided', '', [tensor, [2, 3], [1, 1], 0]) : tensor,
  flipped: (tensor) => tensor.reshape([-1]).flip([0]),
  channelsLast: (tensor) =>
    tensor.ndim === 4 ? tensor.contiguous({ memoryFormat: 'channels_last' }) : tensor,
  coo: (tensor) => tensor.toSparse(),
  cooOne: (tensor) => tensor.toSparse(1),
  csr: (tensor) => tensor.toSparse({ layout: 'sparse_csr' }),
  csc: (tensor) => tensor.toSparse({ layout: 'sparse_csc' }),
  bsr: (tensor) => tensor.toSparse({ layout: 'sparse_bsr', blocksize: [1, 1] }),
  bsc: (tensor) => tensor.toSparse({ layout: 'sparse_bsc', blocksize: [1, 1] }),
  quantized: (tensor, random) =>
    tensor.float().quantizePerTensor(0.1, 3, random.pick(['quint8', 'qint8', 'qint32'])),
  perChannel: (tensor) =>
    tensor
      .float()
      .quantizePerChannel(
        torch.ones([tensor.shape[0] ?? 1]),
        torch.zeros([tensor.shape[0] ?? 1], { dtype: 'int64' }),
        0,
        'qint8',
      ),
  meta: (tensor) => tensor.to('meta'),
  hugeMeta: (_, random) => torch.empty([random.pick([2 ** 31, 2 ** 40]), 2], { device: 'meta' }),
  conjugate: (tensor) => tensor.to('complex64').conj(),
  negative: (tensor) => tensor.to('complex64').conj().imag(),
  // Some gradients are such marks without memory.
  zero: (tensor) =>
    torch.isFloatingPoint(tensor)
      ? callOperator('aten::_efficientzerotensor', '', [tensor.shape], { dtype: tensor.dtype })
      : tensor,
  leaf: (tensor) => tensor.requiresGrad_(),
  recorded: (tensor) => tensor.requiresGrad_().mul(1),
  disposed: (tensor) => {
    tensor.dispose();
    return tensor;
  },
};
const formNames = Object.keys(forms);

/** One of the forms; as it was where the tensor cannot have it. */
export function formed(random: Random, tensor: Tensor): Tensor {
  const roll = random.next();
  if (roll < 0.6) return tensor;
  const name = roll < 0.7 ? random.pick(['leaf', 'recorded']) : random.pick(formNames);
  try {
    return forms[name]!(tensor, random);
  } catch {
    return tensor;
  }
}

const INDEX =
  /ind(ex|ices)|target|offsets|lengths|bucket|^ids?$|batch_sizes|repeats|pivots|crow|col_|row_|bins|counts/;
const MASK = /mask|condition/;

function tidyTensor(
  random: Random,
  name: string,
  shape: readonly number[],
  { dtype, sizes }: Common,
): Tensor {
  if (MASK.test(name)) return torch.randint(0, 2, shape).to('bool');
  if (INDEX.test(name)) return torch.randint(0, Math.min(...sizes), shape);
  if (torch.isFloatingPoint(dtype) || torch.isComplex(dtype)) {
    const made = /float8|complex32/.test(dtype)
      ? torch.randn(shape).to(dtype)
      : torch.randn(shape, { dtype });
    return random.chance(0.3) ? made.requiresGrad_() : made;
  }
  return torch.randint(0, 5, shape).to(dtype);
}

/** A tensor for an argument of this name. */
export function tensorFor(random: Random, name: string, shared: Common): Tensor {
  const shape = shapeLike(random, shared);
  if (shared.tidy) return tidyTensor(random, name, shape, shared);
  if (MASK.test(name) && random.chance(0.8))
    return formed(random, torch.randint(0, 2, shape).to(random.chance(0.9) ? 'bool' : 'uint8'));
  if (INDEX.test(name) && random.chance(0.85)) {
    const dtype = random.chance(0.85) ? 'int64' : random.pick(['int32', 'uint8', 'int16', 'bool'] as const);
    const size = random.chance(0.9) ? Math.max(0, ...shared.shape) : random.pick(SIZES);
    return formed(random, indices(random, shape, size, dtype));
  }
  const dtype = random.chance(0.9) ? shared.dtype : random.pick(plain);
  return formed(random, dense(random, shape, dtype));
}
