/** Losses of first stages that are trained without a discriminator, or not at all. */
import type { Tensor } from '../torch/index.js';
import * as F from '../torch/nn/functional.js';
import * as nn from '../torch/nn/index.js';

/** Binary cross-entropy of logits against one-hot label maps, mean over all elements. */
export class BCELoss extends nn.Module {
  /** Logits and targets `[B, labels, H, W]` → a scalar. */
  override forward(prediction: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(prediction, target);
  }
}

/** The same plus the weighted codebook loss; what segmentation VQGANs are trained with. */
export class BCELossWithQuant extends nn.Module {
  /** Weight of the quantizer's loss. */
  readonly codebookWeight: number;

  constructor({ codebookWeight = 1 }: { codebookWeight?: number } = {}) {
    super();
    this.codebookWeight = codebookWeight;
  }

  /** Codebook loss (scalar), logits and targets `[B, labels, H, W]` → a scalar. */
  override forward(codebookLoss: Tensor, prediction: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(prediction, target).add(codebookLoss.mul(this.codebookWeight));
  }
}

/** No loss: for first stages that are only run. */
export class DummyLoss extends nn.Module {}
