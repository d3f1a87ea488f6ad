/** Bindings of the kernels in native/kernels/decode.cu: the models they support and the launch of each kernel. */
import type { Norm, Prior } from '../../models/priors/prior.js';
import { isContiguous } from '../../torch/core/layout.js';
import { kernelElements, packagedKernels } from '../../torch/cuda/kernel.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Affine } from '../../torch/nn/index.js';

// Must match native/kernels/decode.cu.
const WARPS = 8;
const THREADS = 32 * WARPS;
const MOST_NORMED = 8192;
const AHEAD = 6;

const byDtype = new Map<torch.DType, DecodeKernels>();

/** Returns the number of elements a thread reads at once. */
const perRead = (dtype: torch.DType) => 16 / torch.itemSize[dtype];

/** Returns the reason {@link DecodeKernels} cannot run a model's steps, or null if they can. */
export function whyNoDecodeKernels(prior: Prior, batch: number): string | null {
  const { dtype, device } = prior.parameters()[0]!;
  if (batch !== 1) return `they support a batch size of 1, not ${batch}`;
  if (!device.startsWith('cuda')) return `the model is on ${device}`;
  if (kernelElements[dtype] === undefined) return `the model is in ${dtype}`;
  return misfit(prior);
}

/** Returns the property of a model that the kernels do not support, or null if they support it. */
export function misfit(prior: Prior): string | null {
  const model = prior.decodeModel?.();
  if (!model) return 'the model does not consist of the blocks that they support';
  const { dtype, shape } = model.positions;
  const width = shape[2]!;
  const lanes = width / model.nHead / perRead(dtype); // threads per key
  if (width > MOST_NORMED) return `the model is ${width} wide, more than ${MOST_NORMED}`;
  if (![1, 2, 4, 8, 16, 32].includes(lanes))
    return `they do not support heads of width ${width / model.nHead}`;
  const fits = (weight: Tensor) =>
    weight.dtype === dtype &&
    isContiguous(weight) &&
    (weight.storage.offset * torch.itemSize[dtype]) % 16 === 0;
  if (!prior.parameters().every(fits))
    return 'some weights have another dtype, or are not contiguous or not aligned';
  return null;
}

/**
 * Fused CUDA kernels for a transformer step with batch size one. Each weight is read once, and a block takes five
 * kernels instead of about fourteen operators. Rows are `[1, width]`.
 */
export class DecodeKernels {
  readonly #launch: torch.cuda.Launch;

  constructor(launch: torch.cuda.Launch) {
    this.#launch = launch;
  }

  /** Returns the kernels for a dtype. They are compiled on first use and cached. */
  static for(dtype: torch.DType): DecodeKernels {
    const known = byDtype.get(dtype);
    if (known) return known;
    const { launch } = packagedKernels('decode.cu', { ELEMENT: kernelElements[dtype]! });
    const made = new DecodeKernels(launch);
    byDtype.set(dtype, made);
    return made;
  }

  /** Returns W · LayerNorm(x) + b. */
  normedProduct(x: Tensor, norm: Norm, { weight, bias }: Affine): Tensor {
    const y = rowFor(x, weight);
    const args = [...normArguments(x, norm), weight, bias ?? weight, y, ...sizeOf(weight), bias ? 1 : 0];
    this.#launch('normedProduct', rowsOf(weight), 'tttftttiii', args);
    return y;
  }

  /** Returns GELU(W · LayerNorm(x) + b). */
  normedProductGelu(x: Tensor, norm: Norm, { weight, bias }: Affine): Tensor {
    const y = rowFor(x, weight);
    const args = [...normArguments(x, norm), weight, bias!, y, ...sizeOf(weight)];
    this.#launch('normedProductGelu', rowsOf(weight), 'tttftttii', args);
    return y;
  }

  /** Returns W · x + b + before. */
  productAndSum(x: Tensor, { weight, bias }: Affine, before: Tensor): Tensor {
    const y = rowFor(x, weight);
    // Long rows are split, so that no warp has to wait for weights twice.
    const parts = weight.shape[1]! > 32 * AHEAD * perRead(x.dtype) ? 4 : 1;
    const args = [x, weight, bias!, before, y, ...sizeOf(weight), parts];
    this.#launch('productAndSum', rowsOf(weight, parts), 'tttttiii', args);
    return y;
  }

  /**
   * Takes query, key and value `[1, 3E]` of the token at `position`, writes key and value to the layer's memory
   * `[2, 1, H, capacity, D]`, and returns the attention over all positions up to and including this one: `[1, E]`.
   */
  attend(projected: Tensor, memory: Tensor, position: Tensor): Tensor {
    const [, , heads, capacity, size] = memory.shape as [number, number, number, number, number];
    const y = torch.empty([1, heads * size], { dtype: projected.dtype, device: projected.device });
    const args = [projected, memory.select(0, 0), memory.select(0, 1), position, y];
    const numbers = [capacity, size, 1 / Math.sqrt(size)];
    this.#launch('attend', { grid: [heads], block: [THREADS] }, 'tttttiif', [...args, ...numbers]);
    return y;
  }
}

function rowFor(x: Tensor, weight: Tensor): Tensor {
  return torch.empty([1, weight.shape[0]!], { dtype: x.dtype, device: x.device });
}

/** Returns a launch size with one warp per row of weights, or per part of a row. */
function rowsOf(weight: Tensor, parts = 1): torch.cuda.LaunchSize {
  return { grid: [Math.ceil((weight.shape[0]! * parts) / WARPS)], block: [THREADS] };
}

/** Returns the number of inputs and outputs. */
function sizeOf({ shape }: Tensor): [number, number] {
  return [shape[1]!, shape[0]!];
}

function normArguments(x: Tensor, { weight, bias, eps }: Norm): [Tensor, Tensor, Tensor, number] {
  return [x, weight!, bias!, eps];
}
