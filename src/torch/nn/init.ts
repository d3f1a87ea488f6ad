/**
 * Functions that initialise tensors. They draw from the generator in the same order as torch.nn.init, so that a seed
 * gives the same weights in both libraries. Inside {@link skipInit} all of them do nothing.
 */
import * as torch from '../index.js';
import type { Generator, Tensor } from '../index.js';
import { fill } from './init-switch.js';

export { dirac_, eye_, orthogonal_, sparse_ } from './init-matrices.js';
export { initEnabled, skipInit } from './init-switch.js';

export interface InitOptions {
  /** The source of random numbers. Default: the device's default generator. */
  generator?: Generator;
}

export type FanMode = 'fanIn' | 'fanOut';
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

/**
 * Fills a tensor from the uniform distribution on [low, high).
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.uniform_(layer.weight, -0.1, 0.1);
 * ```
 */
export function uniform_(tensor: Tensor, low = 0, high = 1, options: InitOptions = {}): Tensor {
  return fill(tensor, () => tensor.uniform_(low, high, { generator: options.generator ?? null }));
}

/**
 * Fills a tensor from a normal distribution with the given mean and standard deviation.
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.normal_(layer.weight, 0, 0.02);
 * ```
 */
export function normal_(tensor: Tensor, mean = 0, std = 1, options: InitOptions = {}): Tensor {
  return fill(tensor, () => tensor.normal_(mean, std, { generator: options.generator ?? null }));
}

/**
 * Sets every element to `value`; does nothing in `skipInit`. Returns the tensor.
 *
 * @example
 * ```ts
 * const values = nn.init.constant_(torch.empty([3]), 0.5).tolist(); // [0.5, 0.5, 0.5]
 * ```
 */
export function constant_(tensor: Tensor, value: number): Tensor {
  return fill(tensor, () => tensor.fill_(value));
}

/**
 * Sets every element to 0; does nothing in `skipInit`. Returns the tensor.
 *
 * @example
 * ```ts
 * const values = nn.init.zeros_(torch.empty([3])).tolist(); // [0, 0, 0]
 * ```
 */
export function zeros_(tensor: Tensor): Tensor {
  return fill(tensor, () => tensor.zero_());
}

/**
 * Sets every element to 1; does nothing in `skipInit`. Returns the tensor.
 *
 * @example
 * ```ts
 * const values = nn.init.ones_(torch.empty([3])).tolist(); // [1, 1, 1]
 * ```
 */
export function ones_(tensor: Tensor): Tensor {
  return fill(tensor, () => tensor.fill_(1));
}

const gains: Readonly<Record<Nonlinearity, (slope: number) => number>> = {
  linear: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.sqrt(2),
  leakyRelu: (slope) => Math.sqrt(2 / (1 + slope * slope)),
  selu: () => 3 / 4,
};

/**
 * Returns the factor by which a nonlinearity shrinks the standard deviation of its input (He et al., arXiv 1502.01852).
 *
 * @param slope negative slope, used for `leakyRelu` only
 *
 * @example
 * ```ts
 * const gain = nn.init.calculateGain('relu'); // 1.41
 * ```
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  if (Object.hasOwn(gains, nonlinearity)) return gains[nonlinearity](slope);
  throw new torch.ArgumentError(`unknown nonlinearity '${String(nonlinearity)}'`);
}

/**
 * Returns the number of inputs and outputs connected to one element: a weight is [out, in, ...kernel].
 *
 * @throws RangeError for fewer than two dimensions
 *
 * @example
 * ```ts
 * const { fanIn, fanOut } = nn.init.calculateFans(torch.empty([64, 3, 5, 5])); // 75, 1600
 * ```
 */
export function calculateFans(tensor: Tensor): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...kernel] = tensor.shape;
  if (outputs === undefined || inputs === undefined) {
    throw new RangeError(
      `fan in and fan out need a weight of at least 2 dimensions, not shape [${tensor.shape.join(', ')}]; ` +
        'initialise vectors with uniform_, normal_ or constant_',
    );
  }
  const field = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

export interface KaimingOptions extends InitOptions {
  /** Negative slope of the nonlinearity that follows, for `leakyRelu`. Default 0. */
  a?: number;
  mode?: FanMode;
  nonlinearity?: Nonlinearity;
}

/**
 * Fills a tensor uniformly with bound gain · √(3 / fan) (He et al., arXiv 1502.01852).
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.kaimingUniform_(layer.weight, { nonlinearity: 'relu' });
 * ```
 */
export function kaimingUniform_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  if (tensor.numel() === 0) return tensor;
  const bound = Math.sqrt(3) * kaimingStd(tensor, options);
  return uniform_(tensor, -bound, bound, options);
}

/**
 * Fills a tensor normally with standard deviation gain / √fan (He et al., arXiv 1502.01852).
 *
 * @example
 * ```ts
 * const layer = new nn.Conv2d(3, 64, 3);
 * nn.init.kaimingNormal_(layer.weight, { mode: 'fanOut', nonlinearity: 'relu' });
 * ```
 */
export function kaimingNormal_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  if (tensor.numel() === 0) return tensor;
  return normal_(tensor, 0, kaimingStd(tensor, options), options);
}

function kaimingStd(tensor: Tensor, options: KaimingOptions): number {
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options;
  return calculateGain(nonlinearity, a) / Math.sqrt(calculateFans(tensor)[mode]);
}

/**
 * Fills a tensor uniformly with bound gain · √(6 / (fanIn + fanOut)) (Glorot and Bengio, 2010).
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.xavierUniform_(layer.weight, nn.init.calculateGain('tanh'));
 * ```
 */
export function xavierUniform_(tensor: Tensor, gain = 1, options: InitOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierStd(tensor, gain);
  return uniform_(tensor, -bound, bound, options);
}

/**
 * Fills a tensor normally with standard deviation gain · √(2 / (fanIn + fanOut)) (Glorot and Bengio, 2010).
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.xavierNormal_(layer.weight);
 * ```
 */
export function xavierNormal_(tensor: Tensor, gain = 1, options: InitOptions = {}): Tensor {
  return normal_(tensor, 0, xavierStd(tensor, gain), options);
}

function xavierStd(tensor: Tensor, gain: number): number {
  const { fanIn, fanOut } = calculateFans(tensor);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/**
 * Fills a tensor from a normal distribution, redrawing values outside [low, high]. If the interval contains little of
 * the distribution, proposals are uniform and accepted by the ratio of the density to its peak, so that few rounds are
 * needed.
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * nn.init.truncNormal_(layer.weight, 0, 0.02, -0.04, 0.04);
 * ```
 */
export function truncNormal_(
  tensor: Tensor,
  mean = 0,
  std = 1,
  low = -2,
  high = 2,
  options: InitOptions = {},
): Tensor {
  const distribution = { mean, std, low, high, generator: options.generator ?? null };
  return fill(tensor, () => {
    const mass = normalCdf((high - mean) / std) - normalCdf((low - mean) / std);
    if (mass > 0.3) redrawNormal(tensor, distribution);
    else rejectUniform(tensor, distribution);
  });
}

interface Truncated {
  mean: number;
  std: number;
  low: number;
  high: number;
  generator: Generator | null;
}

function redrawNormal(tensor: Tensor, { mean, std, low, high, generator }: Truncated): void {
  // The bounds rounded to the tensor's dtype: a value equal to a rounded bound is inside.
  const bounds = torch.tensor([low, high], { dtype: 'float64' }).to(tensor.dtype).to('float64');
  const [lowest, highest] = bounds.tolist() as [number, number];
  tensor.normal_(mean, std, { generator });
  for (;;) {
    const outside = tensor.lt(lowest).logicalOr(tensor.gt(highest));
    if (!outside.any().item()) return;
    const redrawn = tensor.emptyLike().normal_(mean, std, { generator });
    tensor.copy_(torch.where(outside, redrawn, tensor));
  }
}

function rejectUniform(tensor: Tensor, { mean, std, low, high, generator }: Truncated): void {
  const peak = Math.max(low, Math.min(mean, high));
  const logPeak = -0.5 * ((peak - mean) / std) ** 2;
  // log(u) > log density relative to its peak: rejected
  const rejected = (x: Tensor) => {
    const logDensity = x.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(logPeak);
    return x.emptyLike().uniform_(0, 1, { generator }).log_().gt(logDensity);
  };
  tensor.uniform_(low, high, { generator });
  let pending = rejected(tensor);
  while (pending.any().item()) {
    const candidates = tensor.emptyLike().uniform_(low, high, { generator });
    tensor.copy_(torch.where(pending, candidates, tensor));
    pending = pending.logicalAnd(rejected(candidates));
  }
}

function normalCdf(x: number): number {
  const erf = torch
    .tensor(x / Math.SQRT2, { dtype: 'float64' })
    .erf()
    .item();
  return (1 + erf) / 2;
}
