import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import { reductionCode } from './reduction.js';

/** The form in which the losses of single elements are returned: a tensor of them, their mean, or their sum. */
export type Reduction = 'none' | 'mean' | 'sum';

export interface ReductionOptions {
  /** Default `mean`. */
  reduction?: Reduction;
}

export interface CrossEntropyOptions extends ReductionOptions {
  /** Weight of each class: [C]. */
  weight?: Tensor | null;
  /** Targets of this value are ignored. Default −100. */
  ignoreIndex?: number;
  /** Share of the target's probability that is spread over all classes. Default 0. */
  labelSmoothing?: number;
}

/**
 * Computes the cross-entropy of softmax(logits).
 *
 * @param logits [N, C] or [N, C, ...]
 * @param target class indices [N] or [N, ...], or probabilities of the logits' shape
 *
 * @example
 * ```ts
 * const loss = F.crossEntropy(torch.randn([4, 10]), torch.tensor([1n, 0n, 9n, 4n])); // []
 * ```
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { weight = null, reduction, ignoreIndex = -100, labelSmoothing = 0 } = options;
  const code = reductionCode(reduction);
  return torch.crossEntropyLoss(logits, target, weight, code, ignoreIndex, labelSmoothing);
}

/**
 * Returns the mean, sum or tensor of (a − b)².
 *
 * @example
 * ```ts
 * const loss = F.mseLoss(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 2
 * ```
 */
export function mseLoss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  return torch.mseLoss(input, target, reductionCode(options.reduction));
}

/**
 * Returns the mean, sum or tensor of |a − b|.
 *
 * @example
 * ```ts
 * const loss = F.l1Loss(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 1
 * ```
 */
export function l1Loss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  return torch.l1Loss(input, target, reductionCode(options.reduction));
}

export interface BinaryCrossEntropyOptions extends ReductionOptions {
  weight?: Tensor | null;
  /** Weight of positive targets. */
  posWeight?: Tensor | null;
}

/**
 * Computes the cross-entropy of sigmoid(logits) against probabilities of the same shape.
 *
 * @example
 * ```ts
 * const loss = F.binaryCrossEntropyWithLogits(torch.tensor([2, -1]), torch.tensor([1, 0])).item(); // 0.22
 * ```
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const { weight = null, posWeight = null, reduction } = options;
  return torch.binaryCrossEntropyWithLogits(logits, target, weight, posWeight, reductionCode(reduction));
}

/**
 * Computes the negative log-likelihood of classes: log-probabilities [N, C, ...] against indices [N, ...].
 *
 * @example
 * ```ts
 * const logProbs = torch.randn([4, 10]).logSoftmax(-1);
 * const loss = F.nllLoss(logProbs, torch.tensor([1n, 0n, 9n, 4n])); // []
 * ```
 */
export function nllLoss(
  input: Tensor,
  target: Tensor,
  options: ReductionOptions & { weight?: Tensor | null; ignoreIndex?: number } = {},
): Tensor {
  const { weight = null, ignoreIndex = -100, reduction } = options;
  return torch.nllLossNd(input, target, weight, reductionCode(reduction), ignoreIndex);
}

/**
 * Computes the cross-entropy of probabilities against probabilities.
 *
 * @example
 * ```ts
 * const loss = F.binaryCrossEntropy(torch.tensor([0.9, 0.2]), torch.tensor([1, 0])).item(); // 0.16
 * ```
 */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction }: ReductionOptions & { weight?: Tensor | null } = {},
): Tensor {
  return torch.binaryCrossEntropy(input, target, weight, reductionCode(reduction));
}

export interface KLDivOptions {
  /**
   * `batchmean` is the sum divided by the size of the first dimension, the definition of the divergence. Default
   * `mean`.
   */
  reduction?: Reduction | 'batchmean';
  /** True if the target contains logarithms too. Default false. */
  logTarget?: boolean;
}

/**
 * Returns target · (log target − input), for an input of logarithms.
 *
 * @example
 * ```ts
 * const target = torch.randn([4, 10]).softmax(-1);
 * const loss = F.klDiv(torch.randn([4, 10]).logSoftmax(-1), target, { reduction: 'batchmean' }); // []
 * ```
 */
export function klDiv(input: Tensor, target: Tensor, options: KLDivOptions = {}): Tensor {
  const { reduction, logTarget = false } = options;
  const code = reductionCode(reduction === 'batchmean' ? 'sum' : reduction);
  return torch.scope(() => {
    const loss = torch.klDiv(input, target, code, { logTarget });
    return reduction === 'batchmean' && input.ndim > 0 ? loss.div(input.shape[0] as number) : loss;
  });
}

/**
 * Returns the squared difference below `beta` (half, over beta), the absolute difference above.
 *
 * @example
 * ```ts
 * const loss = F.smoothL1Loss(torch.tensor([1, 2]), torch.tensor([1, 4]), { beta: 0.5 }).item(); // 0.875
 * ```
 */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  { beta = 1, reduction }: ReductionOptions & { beta?: number } = {},
): Tensor {
  return torch.smoothL1Loss(input, target, reductionCode(reduction), beta);
}

/** Returns the squared difference below `delta` (half), the absolute difference times delta above. */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  { delta = 1, reduction }: ReductionOptions & { delta?: number } = {},
): Tensor {
  return torch.huberLoss(input, target, reductionCode(reduction), delta);
}

/** Returns log(1 + exp(−target · input)), for targets of 1 and −1. */
export function softMarginLoss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  return torch.softMarginLoss(input, target, reductionCode(options.reduction));
}

export interface MarginOptions extends ReductionOptions {
  margin?: number;
}

/** Returns 1 − cos(a, b) for targets of 1, max(0, cos(a, b) − margin) for −1. Default margin 0. */
export function cosineEmbeddingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction }: MarginOptions = {},
): Tensor {
  return torch.cosineEmbeddingLoss(input1, input2, target, margin, reductionCode(reduction));
}

/** Returns x for targets of 1, max(0, margin − x) for −1. Default margin 1. */
export function hingeEmbeddingLoss(input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
  const { margin = 1, reduction } = options;
  return torch.hingeEmbeddingLoss(input, target, margin, reductionCode(reduction));
}

/** Returns max(0, −target · (a − b) + margin): a should be above b if the target is 1. Default margin 0. */
export function marginRankingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction }: MarginOptions = {},
): Tensor {
  return torch.marginRankingLoss(input1, input2, target, margin, reductionCode(reduction));
}

export interface TripletMarginOptions extends MarginOptions {
  /** Norm of the distance. Default 2. */
  p?: number;
  eps?: number;
  /** Use the distance from positive to negative if it is smaller than that from the anchor. Default false. */
  swap?: boolean;
}

/** Returns max(0, d(anchor, positive) − d(anchor, negative) + margin). Default margin 1. */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  { margin = 1, p = 2, eps = 1e-6, swap = false, reduction }: TripletMarginOptions = {},
): Tensor {
  return torch.tripletMarginLoss(anchor, positive, negative, margin, p, eps, swap, reductionCode(reduction));
}

export interface CTCOptions extends ReductionOptions {
  /** Class of the blank. Default 0. */
  blank?: number;
  /** Count sequences that cannot be aligned as 0. Default false. */
  zeroInfinity?: boolean;
}

/**
 * Computes the connectionist temporal classification loss (Graves et al., 2006).
 *
 * @param logProbs [T, B, C]
 * @param targets [B, S], or all concatenated
 * @param inputLengths, targetLengths one for each sequence
 *
 * @example
 * ```ts
 * const logProbs = torch.randn([50, 2, 20]).logSoftmax(-1);
 * const targets = torch.randint(1, 20, [2, 10]);
 * const loss = F.ctcLoss(logProbs, targets, [50, 50], [10, 8]); // []
 * ```
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: readonly number[],
  targetLengths: readonly number[],
  { blank = 0, zeroInfinity = false, reduction }: CTCOptions = {},
): Tensor {
  const code = reductionCode(reduction);
  const args = [logProbs, targets, inputLengths, targetLengths, blank, code, zeroInfinity];
  return torch.callOperator('aten::ctc_loss', 'IntList', args) as Tensor;
}
