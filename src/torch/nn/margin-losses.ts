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

/**
 * {@link poissonNllLoss} as a module.
 *
 * @example
 * ```ts
 * const loss = new nn.PoissonNLLLoss().forward(torch.tensor([0, 1]), torch.tensor([1, 3])).item(); // 0.36
 * ```
 */
export class PoissonNLLLoss extends Loss<PoissonNLLOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.poissonNllLoss(input, target, this.options);
  }
}

/**
 * {@link gaussianNllLoss} as a module.
 *
 * @example
 * ```ts
 * const [means, targets, variances] = [torch.tensor([1]), torch.tensor([2]), torch.tensor([4])];
 * const loss = new nn.GaussianNLLLoss().forward(means, targets, variances).item(); // 0.82
 * ```
 */
export class GaussianNLLLoss extends Loss<GaussianNLLOptions> {
  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return losses.gaussianNllLoss(input, target, variance, this.options);
  }
}

/**
 * {@link multiMarginLoss} as a module.
 *
 * @example
 * ```ts
 * const scores = torch.tensor([[0.1, 0.2, 0.4, 0.8]]);
 * const loss = new nn.MultiMarginLoss().forward(scores, torch.tensor([3n])).item(); // 0.325
 * ```
 */
export class MultiMarginLoss extends WeightedLoss<MultiMarginOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multiMarginLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/**
 * {@link multilabelMarginLoss} as a module.
 *
 * @example
 * ```ts
 * const scores = torch.tensor([[0.1, 0.2, 0.4, 0.8]]);
 * const classes = torch.tensor([[3n, 0n, -1n, 1n]]); // 3 and 0; what follows −1 does not count
 * const loss = new nn.MultiLabelMarginLoss().forward(scores, classes).item(); // 0.85
 * ```
 */
export class MultiLabelMarginLoss extends Loss<ReductionOptions> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multilabelMarginLoss(input, target, this.options);
  }
}

/**
 * {@link multilabelSoftMarginLoss} as a module.
 *
 * @example
 * ```ts
 * const [logits, labels] = [torch.tensor([[2, -1]]), torch.tensor([[1, 0]])];
 * const loss = new nn.MultiLabelSoftMarginLoss().forward(logits, labels).item(); // 0.22
 * ```
 */
export class MultiLabelSoftMarginLoss extends WeightedLoss<ReductionOptions & { weight?: Tensor | null }> {
  override forward(input: Tensor, target: Tensor): Tensor {
    return losses.multilabelSoftMarginLoss(input, target, { ...this.options, weight: this.weight });
  }
}

/**
 * {@link tripletMarginWithDistanceLoss} as a module.
 *
 * @example
 * ```ts
 * const distance = (a: Tensor, b: Tensor) => F.cosineSimilarity(a, b).neg().add(1);
 * const criterion = new nn.TripletMarginWithDistanceLoss({ distance, margin: 0.2 });
 * const loss = criterion.forward(torch.randn([4, 64]), torch.randn([4, 64]), torch.randn([4, 64])); // []
 * ```
 */
export class TripletMarginWithDistanceLoss extends Loss<TripletDistanceOptions> {
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return losses.tripletMarginWithDistanceLoss(anchor, positive, negative, this.options);
  }
}
