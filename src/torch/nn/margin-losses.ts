import type { Tensor } from '../index.js';
import * as losses from './functional/margin-losses.js';
import type {
  GaussianNLLOptions,
  MultiMarginOptions,
  PoissonNLLOptions,
  TripletDistanceOptions,
} from './functional/margin-losses.js';
import type { ReductionOptions } from './functional/losses.js';
import { Loss, WeightedLoss } from './loss-base.js';

/** {@link poissonNllLoss} as a module. */
export class PoissonNLLLoss extends Loss<PoissonNLLOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.poissonNllLoss(input, target, this.options);
  }
}

/** {@link gaussianNllLoss} as a module. */
export class GaussianNLLLoss extends Loss<GaussianNLLOptions> {
  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return losses.gaussianNllLoss(input, target, variance, this.options);
  }
}

/** {@link multiMarginLoss} as a module. */
export class MultiMarginLoss extends WeightedLoss<MultiMarginOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multiMarginLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/** {@link multilabelMarginLoss} as a module. */
export class MultiLabelMarginLoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multilabelMarginLoss(input, target, this.options);
  }
}

/** {@link multilabelSoftMarginLoss} as a module. */
export class MultiLabelSoftMarginLoss extends WeightedLoss<ReductionOptions & { weight?: Tensor | null }> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multilabelSoftMarginLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/** {@link tripletMarginWithDistanceLoss} as a module. */
export class TripletMarginWithDistanceLoss extends Loss<TripletDistanceOptions> {
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return losses.tripletMarginWithDistanceLoss(anchor, positive, negative, this.options);
  }
}
