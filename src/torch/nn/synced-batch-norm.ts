/** Batch norm over the batches of all processes. */
import { customFunction } from '../custom-function.js';
import { allGather, allReduce } from '../distributed/index.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

/** The normalised batch of this process, and the statistics of those of all processes. */
export interface SyncedBatch {
  output: Tensor; // as the input
  mean: Tensor; // [C]
  /** Biased variance. */
  variance: Tensor; // [C]
  /** Number of values for each channel. */
  count: number;
}

/**
 * Normalises the channels of [B, C, …] by the statistics of the batches of all processes, in one exchange forward and
 * one backward. Gradients are those of the sum of all processes' losses, as data-parallel training needs them.
 */
export function syncedBatchNorm(
  input: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): SyncedBatch {
  const channels = input.shape[1]!;
  const wide = /^b?float16$/.test(input.dtype) ? input.to('float32') : input;
  const place = { dtype: wide.dtype, device: wide.device };
  const scale = weight ?? torch.ones([channels], place);
  const shift = bias ?? torch.zeros([channels], place);
  const { mean, variance, count } = torch.noGrad(() => jointStatistics(wide.detach()));
  const inverse = variance.add(eps).rsqrt();
  const output = normalise(count)(wide, scale.to(wide.dtype), shift.to(wide.dtype), mean, inverse);
  return { output: output.to(input.dtype), mean, variance, count };
}

/**
 * Returns mean and biased variance of each channel of [B, C, …] over the batches of all processes, combined as by Chan et
 * al. (1979).
 */
export function jointStatistics(x: Tensor): Omit<SyncedBatch, 'output'> {
  const own = x.numel() / x.shape[1]!;
  const { dtype, device } = x;
  const dims = dimsOf(x);
  const mean = x.mean(dims); // [C]
  const squares = x.sub(perChannel(mean, x)).square().sum(dims); // [C]
  const all = torch.stack(allGather(torch.cat([mean, squares, torch.full([1], own, { dtype, device })]))); // [P, 2·C + 1]
  const [means, sums, counts] = all.splitWithSizes([mean.numel(), mean.numel(), 1], 1) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const count = counts.sum().item();
  const joint = means.mul(counts).sum([0]).div(count);
  const between = means.sub(joint).square().mul(counts).sum([0]);
  return { mean: joint, variance: sums.sum([0]).add(between).div(count), count };
}

const normalise = (count: number) =>
  customFunction({
    name: 'SyncBatchNorm',
    forward(context, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, inverse: Tensor): Tensor {
      context.saveForBackward(x, scale, mean, inverse);
      const factor = inverse.mul(scale);
      return x.sub(perChannel(mean, x)).mul(perChannel(factor, x)).add(perChannel(shift, x));
    },
    backward({ savedTensors }, gradient) {
      const [x, scale, mean, inverse] = savedTensors as [Tensor, Tensor, Tensor, Tensor];
      const dims = dimsOf(x);
      const centred = x.sub(perChannel(mean, x)).mul(perChannel(inverse, x));
      const ofShift = gradient.sum(dims); // [C]
      const ofScale = gradient.mul(centred).sum(dims); // [C]
      const sums = torch.cat([ofShift, ofScale]);
      allReduce(sums);
      const [shifts, scales] = sums.div(count).chunk(2) as [Tensor, Tensor];
      const corrected = gradient.sub(perChannel(shifts, x)).sub(centred.mul(perChannel(scales, x)));
      return [corrected.mul(perChannel(inverse.mul(scale), x)), ofScale, ofShift, null, null];
    },
  });

/** All dimensions but that of the channels. */
const dimsOf = (x: Tensor): number[] => x.shape.map((_, dim) => dim).filter((dim) => dim !== 1);

/** [C] → [1, C, 1, …] */
const perChannel = (values: Tensor, x: Tensor): Tensor =>
  values.reshape(x.shape.map((size, dim) => (dim === 1 ? size : 1)));
