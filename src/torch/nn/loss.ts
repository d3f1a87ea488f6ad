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

/** The mean, sum or tensor of (input − target)², for inputs and targets of one shape. */
export class MSELoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.mseLoss(input, target, this.options);
  }
}

/** The mean, sum or tensor of |input − target|, for inputs and targets of one shape. */
export class L1Loss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.l1Loss(input, target, this.options);
  }
}

/** {@link smoothL1Loss} as a module. */
export class SmoothL1Loss extends Loss<NonNullable<Parameters<typeof losses.smoothL1Loss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.smoothL1Loss(input, target, this.options);
  }
}

/** {@link huberLoss} as a module. */
export class HuberLoss extends Loss<NonNullable<Parameters<typeof losses.huberLoss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.huberLoss(input, target, this.options);
  }
}

/** {@link klDiv} as a module. */
export class KLDivLoss extends Loss<KLDivOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.klDiv(input, target, this.options);
  }
}

/** {@link softMarginLoss} as a module. */
export class SoftMarginLoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.softMarginLoss(input, target, this.options);
  }
}

/** {@link hingeEmbeddingLoss} as a module. */
export class HingeEmbeddingLoss extends Loss<MarginOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.hingeEmbeddingLoss(input, target, this.options);
  }
}

/** {@link cosineEmbeddingLoss} as a module. */
export class CosineEmbeddingLoss extends Loss<MarginOptions> {
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return losses.cosineEmbeddingLoss(input1, input2, target, this.options);
  }
}

/** {@link marginRankingLoss} as a module. */
export class MarginRankingLoss extends Loss<MarginOptions> {
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return losses.marginRankingLoss(input1, input2, target, this.options);
  }
}

/** {@link tripletMarginLoss} as a module. */
export class TripletMarginLoss extends Loss<TripletMarginOptions> {
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return losses.tripletMarginLoss(anchor, positive, negative, this.options);
  }
}

/** {@link crossEntropy} as a module. */
export class CrossEntropyLoss extends WeightedLoss<CrossEntropyOptions> {
  override forward(logits: Tensor, target: Tensor): Tensor {
    return losses.crossEntropy(logits, target, { ...this.options, weight: this.weight });
  }
}

/** {@link nllLoss} as a module. */
export class NLLLoss extends WeightedLoss<NonNullable<Parameters<typeof losses.nllLoss>[2]>> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.nllLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/** {@link binaryCrossEntropy} as a module. */
export class BCELoss extends WeightedLoss<ReductionOptions & { weight?: Tensor | null }> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.binaryCrossEntropy(input, target, { ...this.options, weight: this.weight });
  }
}

/** {@link binaryCrossEntropyWithLogits} as a module. */
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

/** {@link ctcLoss} as a module. */
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
