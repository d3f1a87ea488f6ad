import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import type { ReductionOptions } from './losses.js';
import { reduced, reductionCode } from './reduction.js';

/** Options of {@link poissonNllLoss}. */
export interface PoissonNLLOptions extends ReductionOptions {
  /** True if the input is the logarithm of the rate. Default true. */
  logInput?: boolean;
  /** Add Stirling's approximation of log(target!) for targets above 1. Default false. */
  full?: boolean;
  /** Added to a rate before its logarithm is taken. Default 1e-8. */
  eps?: number;
}

/** Computes the negative log-likelihood of counts under a Poisson distribution: e^x − target · x, up to a constant. */
export function poissonNllLoss(input: Tensor, target: Tensor, options: PoissonNLLOptions = {}): Tensor {
  const { logInput = true, full = false, eps = 1e-8, reduction } = options;
  return torch.poissonNllLoss(input, target, logInput, full, eps, reductionCode(reduction));
}

/** Options of {@link gaussianNllLoss}. */
export interface GaussianNLLOptions extends ReductionOptions {
  /** Add the constant ½ log(2π). Default false. */
  full?: boolean;
  /** Smallest variance used. Default 1e-6. */
  eps?: number;
}

/**
 * Computes the negative log-likelihood under normal distributions: ½ (log v + (x − target)² / v).
 * @param variance v, of the input's shape, of that shape without its last dimension, or with a 1 there
 * @throws ArgumentError for a negative variance; the check waits for the device
 */
export function gaussianNllLoss(
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  { full = false, eps = 1e-6, reduction }: GaussianNLLOptions = {},
): Tensor {
  const perVector = variance.ndim === input.ndim - 1;
  const spread = perVector ? variance.unsqueeze(-1) : variance;
  if (spread.lt(0).any().item()) throw new torch.ArgumentError('gaussianNllLoss: a variance is negative');
  // The lower bound does not take part in the gradient.
  const floor = torch.noGrad(() => spread.clampMin(eps).sub(spread));
  const bounded = spread.add(floor);
  const half = bounded.log().add(input.sub(target).square().div(bounded)).mul(0.5);
  return reduced(full ? half.add(0.5 * Math.log(2 * Math.PI)) : half, reduction);
}

/** Options of {@link multiMarginLoss}. */
export interface MultiMarginOptions extends ReductionOptions {
  /** Power of the differences, 1 or 2. Default 1. */
  p?: 1 | 2;
  /** Default 1. */
  margin?: number;
  /** Weight of each class: [C]. */
  weight?: Tensor | null;
}

/** Returns Σ max(0, margin − x[target] + x[i])ᵖ / C over the other classes, for [N, C] and class indices [N]. */
export function multiMarginLoss(input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  const { p = 1, margin = 1, weight = null, reduction } = options;
  return torch.multiMarginLoss(input, target, p, margin, weight, reductionCode(reduction));
}

/**
 * Computes the hinge loss between classes that apply and classes that do not, for [N, C].
 * @param target int64, the indices of the classes that apply, followed by −1: [N, C]
 */
export function multilabelMarginLoss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  return torch.multilabelMarginLoss(input, target, reductionCode(options.reduction));
}

/**
 * Computes the binary cross-entropy of every class, averaged over the classes: logits and targets (0 to 1) of [N, C].
 */
export function multilabelSoftMarginLoss(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction }: ReductionOptions & { weight?: Tensor | null } = {},
): Tensor {
  const positive = target.mul(input.logSigmoid());
  const negative = target.neg().add(1).mul(input.neg().logSigmoid());
  const loss = positive.add(negative).neg();
  const classes = input.shape.at(-1)!;
  return reduced((weight ? loss.mul(weight) : loss).sum(-1).div(classes), reduction);
}

/** Options of {@link tripletMarginWithDistanceLoss}. */
export interface TripletDistanceOptions extends ReductionOptions {
  /** Returns the distances between two batches of vectors. Default: the Euclidean distance. */
  distance?: (a: Tensor, b: Tensor) => Tensor;
  /** Default 1. */
  margin?: number;
  /** Use the distance between positive and negative if it is smaller. Default false. */
  swap?: boolean;
}

/** Returns max(0, d(anchor, positive) − d(anchor, negative) + margin) with a custom distance. */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletDistanceOptions = {},
): Tensor {
  const { distance = (a, b) => torch.pairwiseDistance(a, b), margin = 1, swap = false } = options;
  const near = distance(anchor, positive);
  const far = distance(anchor, negative);
  const other = swap ? far.minimum(distance(positive, negative)) : far;
  return reduced(near.sub(other).add(margin).clampMin(0), options.reduction);
}
