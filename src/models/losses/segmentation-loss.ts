/** Losses of first stages that are trained without a discriminator or not trained. */
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { number, type Given } from '../../config/schema.js';

/**
 * Binary cross-entropy between logits and one-hot label maps, averaged over all elements.
 *
 * @example
 * ```ts
 * const [logits, labels] = [torch.randn([2, 182, 64, 64]), torch.zeros([2, 182, 64, 64])];
 * const loss = new BCELoss().forward(logits, labels);
 * ```
 */
export class BCELoss extends nn.Module {
  /** Returns the scalar loss of logits and targets `[B, labels, H, W]`. */
  override forward(prediction: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(prediction, target);
  }
}

/**
 * Binary cross-entropy plus the weighted codebook loss; used to train segmentation VQGANs.
 *
 * @example
 * ```ts
 * const loss = new BCELossWithQuant({ codebookWeight: 1 });
 * const [logits, labels] = [torch.randn([2, 182, 64, 64]), torch.zeros([2, 182, 64, 64])];
 * const total = loss.forward(torch.tensor(0.1), logits, labels); // with a quantizer's loss of 0.1
 * ```
 */
export class BCELossWithQuant extends nn.Module {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Weight of the quantizer's loss. Default 1. */
    codebookWeight: number(1),
  };
  /** Weight of the codebook loss in the sum. */
  readonly codebookWeight: number;

  constructor(config: Given<typeof BCELossWithQuant.schema> = {}) {
    super();
    this.codebookWeight = readConfig(BCELossWithQuant.schema, config, 'BCELossWithQuant').codebookWeight;
  }

  /** Returns the scalar loss of the codebook loss (a scalar), logits and targets `[B, labels, H, W]`. */
  override forward(codebookLoss: Tensor, prediction: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(prediction, target).add(codebookLoss.mul(this.codebookWeight));
  }
}

/**
 * Placeholder without a loss, for first stages used only for inference.
 *
 * @example
 * ```ts
 * const lossconfig = new DummyLoss(); // trained elsewhere, and only run here
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, lossconfig });
 * ```
 */
export class DummyLoss extends nn.Module {}
