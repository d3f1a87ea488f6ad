/** Weights of linear layers in the layout in which oneDNN multiplies inputs of few rows fastest, on a CPU. */
import { isContiguous } from '../core/layout.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

/** Weights of a product x Wᵀ + b, which may be packed; each `nn.Linear` is one. */
export interface Affine {
  weight: Tensor; // [outputs, inputs]
  bias: Tensor | null; // [outputs]
  /** The weight, packed for inputs of a number of rows; see {@link withPackedWeights}. Default: none. */
  packed?: PackedWeight | undefined;
}

/** A weight in oneDNN's layout. */
export interface PackedWeight {
  /** Opaque: only oneDNN's products read it. */
  readonly weight: Tensor;
  /** Number of rows of the inputs that it is packed for. */
  readonly rows: number;
}

// Below this number of weights, or above this number of rows, the ordinary product is as fast.
const FEWEST_WEIGHTS = 2 ** 16;
const MOST_ROWS = 64;

export interface PackOptions {
  /** Number of rows of the inputs that the weights are packed for: the sizes before the last dimension, multiplied. */
  rows: number;
  /** Largest memory for the copies, in bytes; layers that do not fit stay as they are. Default 2 GiB. */
  mostBytes?: number;
}

/** Returns x Wᵀ + b over the last dimension, with the packed weight if the input has its number of rows. */
export function affine(x: Tensor, { weight, bias, packed }: Affine): Tensor {
  if (packed && suits(x, packed.rows, weight.shape[1]!)) {
    const args = [x, packed.weight, bias, 'none', [], ''];
    return torch.callOperator('mkldnn::_linear_pointwise', '', args) as Tensor;
  }
  return torch.linear(x, weight, bias);
}

/** True for inputs of a packed weight, where neither gradients nor autocast ask for the ordinary product. */
function suits({ shape, dtype }: Tensor, rows: number, width: number): boolean {
  if (shape.at(-1) !== width || dtype !== 'float32' || torch.isGradEnabled()) return false;
  return sizeOf(shape) === rows * width && !torch.isAutocastEnabled('cpu');
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/**
 * Runs `fn` without gradients while large float32 weights on the CPU are packed for inputs of some rows, at most 64, and
 * returns what it returned. Results change by rounding only. Packing takes about as long as a few products; other inputs,
 * weights and devices, gradients that `fn` enables and autocast take the weights themselves, and so does a layer for whose
 * copy there is no memory. A libtorch without oneDNN packs nothing.
 *
 * @param fn synchronous; it must not change the weights, of which it sees copies
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(1024, 4096);
 * const x = torch.randn([1, 1024]);
 * const y = nn.withPackedWeights([layer], { rows: 1 }, () => layer.forward(x)); // [1, 4096]
 * ```
 */
export function withPackedWeights<T>(
  affines: readonly Affine[],
  { rows, mostBytes = 2 ** 31 }: PackOptions,
  fn: () => T,
): T {
  const packed: { one: Affine; weight: Tensor }[] = [];
  let bytes = 0;
  try {
    return torch.noGrad(() => {
      const pays = rows > 0 && rows <= MOST_ROWS && isAvailable();
      for (const one of pays ? affines : []) {
        const found = packedOf(one, rows, mostBytes - bytes);
        if (!found) continue;
        packed.push({ one, weight: found.weight });
        one.packed = { weight: found.weight, rows };
        bytes += found.bytes;
      }
      return fn();
    });
  } finally {
    for (const { one } of packed) one.packed = undefined;
    torch.dispose(packed.map(({ weight }) => weight));
  }
}

/** Returns a packed copy and its size; null if the weights cannot be packed, are packed already, or need more memory. */
function packedOf(one: Affine, rows: number, mostBytes: number): { weight: Tensor; bytes: number } | null {
  if (one.packed) return null;
  return torch.scope(() => {
    const { weight, bias } = one; // read once: a parametrized weight is computed at each reading
    const bytes = 4 * weight.numel();
    if (!isPackable(weight, bias) || bytes > mostBytes) return null;
    try {
      return { weight: torch.keep(pack(weight, rows)), bytes };
    } catch (error) {
      if (error instanceof torch.OutOfMemoryError) return null;
      throw error;
    }
  });
}

function isPackable(weight: Tensor, bias: Tensor | null): boolean {
  const { dtype, device, ndim, shape } = weight;
  if (dtype !== 'float32' || device !== 'cpu' || ndim !== 2 || weight.numel() < FEWEST_WEIGHTS) return false;
  // oneDNN reads a bias as `outputs` numbers in a row.
  return !bias || (bias.dtype === dtype && bias.numel() === shape[0] && isContiguous(bias));
}

function pack(weight: Tensor, rows: number): Tensor {
  return torch.callOperator('mkldnn::_reorder_linear_weight', '', [weight, rows]) as Tensor;
}

let available: boolean | undefined;

/** True if libtorch was built with oneDNN for this processor. */
function isAvailable(): boolean {
  if (available !== undefined) return available;
  try {
    torch.scope(() => pack(torch.ones([1, 1]), 1));
    available = true;
  } catch {
    available = false;
  }
  return available;
}
