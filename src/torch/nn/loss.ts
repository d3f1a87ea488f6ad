import type { Tensor } from '../index.js';
import * as losses from './functional/losses.js';
import type {
  BinaryCrossEntropyOptions,
  CrossEntropyOptions,
  CTCOptions,
  KLDivOptions,
  MarginOptions,
  ReductionOptions,
  TripletMarginOptions,
} from './functional/losses.js';
import { Loss, WeightedLoss } from './loss-base.js';

/**
 * The mean, sum or tensor of (input − target)², for inputs and targets of one shape.
 *
 * @example
 * ```ts
 * const loss = new nn.MSELoss().forward(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 2
 * ```
 */
export class MSELoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.mseLoss(input, target, this.options);
  }
}

/**
 * The mean, sum or tensor of |input − target|, for inputs and targets of one shape.
 *
 * @example
 * ```ts
 * const loss = new nn.L1Loss().forward(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 1
 * ```
 */
export class L1Loss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.l1Loss(input, target, this.options);
  }
}

/**
 * {@link smoothL1Loss} as a module.
 *
 * @example
 * ```ts
 * const criterion = new nn.SmoothL1Loss({ beta: 0.5 });
 * const loss = criterion.forward(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 0.875
 * ```
 */
export class SmoothL1Loss extends Loss<NonNullable<Parameters<typeof losses.smoothL1Loss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.smoothL1Loss(input, target, this.options);
  }
}

/**
 * {@link huberLoss} as a module.
 *
 * @example
 * ```ts
 * const criterion = new nn.HuberLoss({ delta: 0.5 });
 * const loss = criterion.forward(torch.tensor([1, 2]), torch.tensor([1, 4])).item(); // 0.4375
 * ```
 */
export class HuberLoss extends Loss<NonNullable<Parameters<typeof losses.huberLoss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.huberLoss(input, target, this.options);
  }
}

/**
 * {@link klDiv} as a module.
 *
 * @example
 * ```ts
 * const target = torch.randn([4, 10]).softmax(-1);
 * const criterion = new nn.KLDivLoss({ reduction: 'batchmean' });
 * const loss = criterion.forward(torch.randn([4, 10]).logSoftmax(-1), target); // []
 * const none = criterion.forward(target.log(), target).item(); // 0
 * ```
 */
export class KLDivLoss extends Loss<KLDivOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.klDiv(input, target, this.options);
  }
}

/**
 * {@link softMarginLoss} as a module.
 *
 * @example
 * ```ts
 * const loss = new nn.SoftMarginLoss().forward(torch.tensor([0.5, -2]), torch.tensor([1, -1])).item(); // 0.3
 * ```
 */
export class SoftMarginLoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.softMarginLoss(input, target, this.options);
  }
}

/**
 * {@link hingeEmbeddingLoss} as a module.
 *
 * @example
 * ```ts
 * const loss = new nn.HingeEmbeddingLoss().forward(torch.tensor([0.2, 0.4]), torch.tensor([1, -1])).item(); // 0.4
 * ```
 */
export class HingeEmbeddingLoss extends Loss<MarginOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.hingeEmbeddingLoss(input, target, this.options);
  }
}

/**
 * {@link cosineEmbeddingLoss} as a module.
 *
 * @example
 * ```ts
 * const [a, b] = [torch.tensor([[1, 0]]), torch.tensor([[1, 1]])];
 * const loss = new nn.CosineEmbeddingLoss().forward(a, b, torch.tensor([1])).item(); // 0.29
 * ```
 */
export class CosineEmbeddingLoss extends Loss<MarginOptions> {
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return losses.cosineEmbeddingLoss(input1, input2, target, this.options);
  }
}

/**
 * {@link marginRankingLoss} as a module.
 *
 * @example
 * ```ts
 * const criterion = new nn.MarginRankingLoss({ margin: 0.5 });
 * const loss = criterion.forward(torch.tensor([2]), torch.tensor([1.8]), torch.tensor([1])).item(); // 0.3
 * ```
 */
export class MarginRankingLoss extends Loss<MarginOptions> {
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return losses.marginRankingLoss(input1, input2, target, this.options);
  }
}

/**
 * {@link tripletMarginLoss} as a module.
 *
 * @example
 * ```ts
 * const [anchor, positive, negative] = torch.tensor([[[0, 0]], [[0, 1]], [[0, 1.5]]]).unbind(0);
 * const loss = new nn.TripletMarginLoss().forward(anchor!, positive!, negative!).item(); // 0.5
 * ```
 */
export class TripletMarginLoss extends Loss<TripletMarginOptions> {
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return losses.tripletMarginLoss(anchor, positive, negative, this.options);
  }
}

/**
 * {@link crossEntropy} as a module.
 *
 * @example
 * ```ts
 * const criterion = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 });
 * const loss = criterion.forward(torch.randn([4, 10]), torch.tensor([1n, 0n, 9n, 4n])); // []
 * ```
 */
export class CrossEntropyLoss extends WeightedLoss<CrossEntropyOptions> {
  override forward(logits: Tensor, target: Tensor): Tensor {
    return losses.crossEntropy(logits, target, { ...this.options, weight: this.weight });
  }
}

/**
 * {@link nllLoss} as a module.
 *
 * @example
 * ```ts
 * const logProbs = torch.randn([4, 10]).logSoftmax(-1);
 * const loss = new nn.NLLLoss().forward(logProbs, torch.tensor([1n, 0n, 9n, 4n])); // []
 * ```
 */
export class NLLLoss extends WeightedLoss<NonNullable<Parameters<typeof losses.nllLoss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.nllLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/**
 * {@link binaryCrossEntropy} as a module.
 *
 * @example
 * ```ts
 * const loss = new nn.BCELoss().forward(torch.tensor([0.9, 0.2]), torch.tensor([1, 0])).item(); // 0.16
 * ```
 */
export class BCELoss extends WeightedLoss<ReductionOptions & { weight?: Tensor | null }> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.binaryCrossEntropy(input, target, { ...this.options, weight: this.weight });
  }
}

/**
 * {@link binaryCrossEntropyWithLogits} as a module.
 *
 * @example
 * ```ts
 * const loss = new nn.BCEWithLogitsLoss().forward(torch.tensor([2, -1]), torch.tensor([1, 0])).item(); // 0.22
 * ```
 */
export class BCEWithLogitsLoss extends WeightedLoss<BinaryCrossEntropyOptions> {
  declare posWeight: Tensor | null;

  constructor(options: BinaryCrossEntropyOptions = {}) {
    super(options);
    this.registerBuffer('posWeight', options.posWeight ?? null);
  }

  override forward(logits: Tensor, target: Tensor): Tensor {
    const { weight, posWeight } = this;
    return losses.binaryCrossEntropyWithLogits(logits, target, { ...this.options, weight, posWeight });
  }
}

/**
 * {@link ctcLoss} as a module.
 *
 * @example
 * ```ts
 * const logProbs = torch.randn([50, 2, 20]).logSoftmax(-1);
 * const targets = torch.randint(1, 20, [2, 10]);
 * const loss = new nn.CTCLoss().forward(logProbs, targets, [50, 50], [10, 8]); // []
 * ```
 */
export class CTCLoss extends Loss<CTCOptions> {
  override forward(
    logProbs: Tensor,
    targets: Tensor,
    inputLengths: readonly number[],
    targetLengths: readonly number[],
  ): Tensor {
    return losses.ctcLoss(logProbs, targets, inputLengths, targetLengths, this.options);
  }
}
