/** Weights of linear layers in the layout in which oneDNN multiplies inputs of few rows fastest, on a CPU. */
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

/**
 * Returns x Wᵀ + b over the last dimension, with the packed weight if the input has its number of rows.
 *
 * @example
 * ```ts
 * const y = nn.affine(torch.randn([4, 8]), new nn.Linear(8, 2)); // [4, 2]
 * ```
 */
export function affine(x: Tensor, { weight, bias, packed }: Affine): Tensor {
  if (packed && x.numel() === packed.rows * weight.shape[1]!) {
    return torch.callOperator('mkldnn::_linear_pointwise', '', [
      x,
      packed.weight,
      bias,
      'none',
      [],
      '',
    ]) as Tensor;
  }
  return torch.linear(x, weight, bias);
}

/**
 * Runs `fn` without gradients while large float32 weights on the CPU are packed for inputs of some rows, at most 64, and
 * returns what it returned. Results change by rounding only. Packing takes about as long as a few products; other inputs,
 * weights and devices, and autocast, work as ever. A libtorch without oneDNN packs nothing.
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
  const packed: Affine[] = [];
  let bytes = 0;
  try {
    return torch.noGrad(() => {
      const packable = rows > 0 && rows <= MOST_ROWS ? affines.filter(isPackable) : [];
      for (const one of isAvailable() ? packable : []) {
        bytes += 4 * one.weight.numel();
        if (bytes > mostBytes) break;
        one.packed = { weight: torch.keep(pack(one.weight, rows)), rows };
        packed.push(one);
      }
      return fn();
    });
  } finally {
    for (const one of packed) {
      one.packed!.weight.dispose();
      one.packed = undefined;
    }
  }
}

function isPackable({ weight, packed }: Affine): boolean {
  const { dtype, device } = weight;
  const fits = dtype === 'float32' && device === 'cpu' && weight.numel() >= FEWEST_WEIGHTS;
  return fits && !packed && !torch.isAutocastEnabled('cpu');
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
