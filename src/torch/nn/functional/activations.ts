import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';

/**
 * Returns the positive part: max(x, 0).
 *
 * @example
 * ```ts
 * const y = F.relu(torch.tensor([-1, 0, 2])).tolist(); // [0, 0, 2]
 * ```
 */
export function relu(input: Tensor): Tensor {
  return input.relu();
}

/**
 * Returns x if positive, otherwise `negativeSlope` · x.
 *
 * @example
 * ```ts
 * const y = F.leakyRelu(torch.tensor([-1, 0, 2]), 0.1).tolist(); // [-0.1, 0, 2]
 * ```
 */
export function leakyRelu(input: Tensor, negativeSlope = 0.01): Tensor {
  return input.leakyRelu(negativeSlope);
}

/**
 * Returns x · sigmoid(x), also called swish.
 *
 * @example
 * ```ts
 * const y = F.silu(torch.tensor([-1, 0, 2])).tolist(); // [-0.27, 0, 1.76]
 * ```
 */
export function silu(input: Tensor): Tensor {
  return input.silu();
}

/**
 * Returns x · Φ(x), where Φ is the normal distribution's cumulative function (Hendrycks and Gimpel, arXiv 1606.08415),
 * or its tanh approximation.
 *
 * @example
 * ```ts
 * const y = F.gelu(torch.tensor([-1, 0, 2])).tolist(); // [-0.16, 0, 1.95]
 * ```
 */
export function gelu(
  input: Tensor,
  { approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {},
): Tensor {
  return approximate === 'none' ? input.gelu() : input.gelu({ approximate });
}

/**
 * Returns the logistic function: 1 / (1 + e⁻ˣ).
 *
 * @example
 * ```ts
 * const y = F.sigmoid(torch.tensor([-1, 0, 2])).tolist(); // [0.27, 0.5, 0.88]
 * ```
 */
export function sigmoid(input: Tensor): Tensor {
  return input.sigmoid();
}

/** Returns the hyperbolic tangent. */
export function tanh(input: Tensor): Tensor {
  return input.tanh();
}

/**
 * Returns log(1 + eˣ), linear above the threshold.
 *
 * @example
 * ```ts
 * const y = F.softplus(torch.tensor([-1, 0, 30])).tolist(); // [0.31, 0.69, 30]
 * ```
 */
export function softplus(input: Tensor, beta = 1, threshold = 20): Tensor {
  return input.softplus(beta, threshold);
}

/**
 * Returns eˣ divided by its sum along a dimension.
 *
 * @example
 * ```ts
 * const shares = F.softmax(torch.tensor([2, 1]), -1).tolist(); // [0.73, 0.27]
 * ```
 */
export function softmax(input: Tensor, dim: number): Tensor {
  return input.softmax(dim);
}

/**
 * Returns the logarithm of the softmax along a dimension, computed stably.
 *
 * @example
 * ```ts
 * const logShares = F.logSoftmax(torch.tensor([2, 2]), -1).tolist(); // [-0.69, -0.69]
 * ```
 */
export function logSoftmax(input: Tensor, dim: number): Tensor {
  return input.logSoftmax(dim);
}

/** Returns the positive part, at most 6: min(max(x, 0), 6). */
export function relu6(input: Tensor): Tensor {
  return input.relu6();
}

/** Returns x if positive, otherwise alpha · (eˣ − 1). */
export function elu(input: Tensor, alpha = 1): Tensor {
  return input.elu(alpha);
}

/** Returns ELU with the factors of self-normalising networks (Klambauer et al., arXiv 1706.02515). */
export function selu(input: Tensor): Tensor {
  return input.selu();
}

/** Returns ELU whose slope at 0 is 1 for every alpha: max(x, 0) + min(0, alpha · (exp(x / alpha) − 1)). */
export function celu(input: Tensor, alpha = 1): Tensor {
  return input.celu(alpha);
}

/** Returns SiLU with a piecewise linear sigmoid: x · min(max(x + 3, 0), 6) / 6. */
export function hardswish(input: Tensor): Tensor {
  return input.hardswish();
}

/** Returns a piecewise linear sigmoid: min(max(x + 3, 0), 6) / 6. */
export function hardsigmoid(input: Tensor): Tensor {
  return input.hardsigmoid();
}

/** Limits x to [min, max]. */
export function hardtanh(input: Tensor, min = -1, max = 1): Tensor {
  return input.hardtanh(min, max);
}

/** Returns x · tanh(softplus(x)) (Misra, arXiv 1908.08681). */
export function mish(input: Tensor): Tensor {
  return input.mish();
}

/** Returns the softsign: x / (1 + |x|). */
export function softsign(input: Tensor): Tensor {
  return torch.scope(() => input.div(input.abs().add(1)));
}

/** Returns x − tanh(x). */
export function tanhshrink(input: Tensor): Tensor {
  return torch.scope(() => input.sub(input.tanh()));
}

/** Returns the softmax of −x along a dimension. */
export function softmin(input: Tensor, dim: number): Tensor {
  return torch.scope(() => input.neg().softmax(dim));
}

/** Returns log(sigmoid(x)), accurate for large negative x. */
export function logSigmoid(input: Tensor): Tensor {
  return torch.logSigmoid(input);
}

/**
 * Multiplies the first half of a dimension by the sigmoid of the second.
 *
 * @example
 * ```ts
 * const y = F.glu(torch.randn([2, 64, 8]), 1); // [2, 32, 8]
 * ```
 */
export function glu(input: Tensor, dim = -1): Tensor {
  return input.glu(dim);
}

/** Returns x if positive, otherwise weight · x; `weight` has one element, or one for each channel (dimension 1). */
export function prelu(input: Tensor, weight: Tensor): Tensor {
  return torch.prelu(input, weight);
}

/** Returns x if it is above the threshold, otherwise the value. */
export function threshold(input: Tensor, limit: number, value: number): Tensor {
  return input.threshold(limit, value);
}
