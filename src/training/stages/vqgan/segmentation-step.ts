import { BCELoss, BCELossWithQuant } from '../../../models/losses/segmentation-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { meanOfParts, partsOf, type Accumulation } from '../../engine/accumulate.js';
import { scaledFor } from '../../engine/loss-scale.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';

/** Scalars of a step on label maps, detached and still on the device. */
export interface SegmentationLog {
  /** Loss that the gradients are computed from. */
  totalLoss: Tensor;
  /** Binary cross-entropy between logits and labels. */
  bceLoss: Tensor;
  /** Codebook loss, unweighted. */
  quantLoss: Tensor;
}

/** True for a first stage of label maps, whose decoder gives a logit for each label. */
export const readsLabels = ({ loss }: FirstStage): boolean =>
  loss instanceof BCELossWithQuant || loss instanceof BCELoss;

/**
 * Trains a first stage of label maps on one batch, one-hot [B, labels, H, W]: binary cross-entropy of its logits plus
 * the weighted codebook loss, by one optimizer, as the reference's `VQSegmentationModel`.
 *
 * @throws TypeError if the model's loss is not BCELossWithQuant or BCELoss
 *
 * @example
 * ```ts
 * const lossconfig = new BCELossWithQuant();
 * const ddconfig = { ...backbones.f16, inChannels: 9, outCh: 9 };
 * const model = new VQModel({ ddconfig, nEmbed: 1024, embedDim: 256, lossconfig, colorizeNlabels: 9 });
 * const optimizer = new optim.Adam(model.generatorParameters(), { lr: 1e-4, betas: [0.5, 0.9] });
 * const labels = torch.randint(0, 9, [1, 64, 64]);
 * const batch = torch.oneHot(labels, 9).permute([0, 3, 1, 2]).to('float32'); // [1, 9, 64, 64]
 * const { bceLoss } = segmentationStep(model, optimizer, batch);
 * ```
 */
export function segmentationStep(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  { accumulate = 1 }: Accumulation = {},
): SegmentationLog {
  return torch.scope(() => {
    const parts = partsOf(batch, accumulate);
    optimizer.zeroGrad();
    if (accumulate === 1) {
      const log = backThrough(model, optimizer, batch, 1, true);
      optimizer.step();
      return log;
    }
    const logs: SegmentationLog[] = [];
    const moveCodes = model.quantize.still(() => {
      for (const [i, part] of parts.entries()) {
        const last = i === accumulate - 1;
        logs.push(torch.scope(() => backThrough(model, optimizer, part, 1 / accumulate, last)));
        optimizer.gather?.();
      }
    });
    optimizer.step();
    moveCodes();
    return meanOfParts(logs);
  });
}

/** Adds the gradients of a batch to those of the parameters, weighted by its share. */
function backThrough(
  model: FirstStage,
  optimizer: StepOptimizer,
  batch: Tensor,
  share: number,
  last: boolean,
): SegmentationLog {
  const { loss } = model;
  const { reconstruction: logits, loss: quantLoss } = model.forward(batch);
  let totalLoss: Tensor;
  if (loss instanceof BCELossWithQuant) totalLoss = loss.forward(quantLoss, logits, batch);
  else if (loss instanceof BCELoss) totalLoss = loss.forward(logits, batch);
  else throw new TypeError('segmentationStep needs a model whose loss is BCELossWithQuant or BCELoss');
  if (last) optimizer.prepareForBackward?.();
  scaledFor(optimizer, share === 1 ? totalLoss : totalLoss.mul(share)).backward();
  const weight = loss instanceof BCELossWithQuant ? loss.codebookWeight : 0;
  const bceLoss = totalLoss.detach().sub(quantLoss.detach().mul(weight));
  return { totalLoss: totalLoss.detach(), bceLoss, quantLoss: quantLoss.detach() };
}
