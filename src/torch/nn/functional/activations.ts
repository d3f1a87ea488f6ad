import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';

/** The positive part: max(x, 0). */
export function relu(input: Tensor): Tensor {
  return input.relu();
}

/** x where positive, else `negativeSlope` · x. */
export function leakyRelu(input: Tensor, negativeSlope = 0.01): Tensor {
  return input.leakyRelu(negativeSlope);
}

/** Also called swish: x · sigmoid(x). */
export function silu(input: Tensor): Tensor {
  return input.silu();
}

/**
 * x · Φ(x), Φ the normal distribution's (Hendrycks and Gimpel, arXiv 1606.08415), or its approximation by
 * tanh.
 */
export function gelu(
  input: Tensor,
  { approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {},
): Tensor {
  return approximate === 'none' ? input.gelu() : input.gelu({ approximate });
}

/** The logistic function: 1 / (1 + e⁻ˣ). */
export function sigmoid(input: Tensor): Tensor {
  return input.sigmoid();
}

/** The hyperbolic tangent. */
export function tanh(input: Tensor): Tensor {
  return input.tanh();
}

/** log(1 + eˣ), linear above the threshold. */
export function softplus(input: Tensor, beta = 1, threshold = 20): Tensor {
  return input.softplus(beta, threshold);
}

/** eˣ divided by its sum along a dimension. */
export function softmax(input: Tensor, dim: number): Tensor {
  return input.softmax(dim);
}

/** The logarithm of the softmax along a dimension, exact where the softmax vanishes. */
export function logSoftmax(input: Tensor, dim: number): Tensor {
  return input.logSoftmax(dim);
}

/** The positive part, at most 6: min(max(x, 0), 6). */
export function relu6(input: Tensor): Tensor {
  return input.relu6();
}

/** x where positive, else alpha · (eˣ − 1). */
export function elu(input: Tensor, alpha = 1): Tensor {
  return input.elu(alpha);
}

/** ELU with the factors of self-normalising networks (Klambauer et al., arXiv 1706.02515). */
export function selu(input: Tensor): Tensor {
  return input.selu();
}

/** ELU whose slope at 0 is 1 for every alpha: max(x, 0) + min(0, alpha · (exp(x / alpha) − 1)). */
export function celu(input: Tensor, alpha = 1): Tensor {
  return input.celu(alpha);
}

/** SiLU with a sigmoid of straight lines: x · min(max(x + 3, 0), 6) / 6. */
export function hardswish(input: Tensor): Tensor {
  return input.hardswish();
}

/** A sigmoid in three straight lines: min(max(x + 3, 0), 6) / 6. */
export function hardsigmoid(input: Tensor): Tensor {
  return input.hardsigmoid();
}

/** x limited to [min, max]. */
export function hardtanh(input: Tensor, min = -1, max = 1): Tensor {
  return input.hardtanh(min, max);
}

/** x · tanh(softplus(x)) (Misra, arXiv 1908.08681). */
export function mish(input: Tensor): Tensor {
  return input.mish();
}

/** A soft sign: x / (1 + |x|). */
export function softsign(input: Tensor): Tensor {
  return torch.scope(() => input.div(input.abs().add(1)));
}

/** What tanh takes away: x − tanh(x). */
export function tanhshrink(input: Tensor): Tensor {
  return torch.scope(() => input.sub(input.tanh()));
}

/** The softmax of −x along a dimension. */
export function softmin(input: Tensor, dim: number): Tensor {
  return torch.scope(() => input.neg().softmax(dim));
}

/** log(sigmoid(x)), exact for large negative x. */
export function logSigmoid(input: Tensor): Tensor {
  return torch.logSigmoid(input);
}

/** The first half of a dimension times the sigmoid of the second. */
export function glu(input: Tensor, dim = -1): Tensor {
  return input.glu(dim);
}

/** x where positive, else weight · x; `weight` has one element, or one for each channel (dimension 1). */
export function prelu(input: Tensor, weight: Tensor): Tensor {
  return torch.prelu(input, weight);
}

/** x where it is above the threshold, else the value. */
export function threshold(input: Tensor, limit: number, value: number): Tensor {
  return input.threshold(limit, value);
}
