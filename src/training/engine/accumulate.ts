/** Gradient accumulation: a step that computes its batch in equal parts, one after the other, to save memory. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Options of how a training step computes its batch. */
export interface Accumulation {
  /**
   * Number of equal parts of the batch whose gradients are averaged before the update. The step then needs the memory of
   * one part. Its result is that of the whole batch, except where a part is normalised by its own statistics.
   * Default 1.
   */
  accumulate?: number;
}

/**
 * Splits a batch [B, …] along its first dimension.
 *
 * @throws RangeError if it cannot be split into `count` equal parts
 */
export function partsOf(batch: Tensor, count = 1): Tensor[] {
  if (count === 1) return [batch];
  const size = batch.shape[0] ?? 0;
  if (Number.isSafeInteger(count) && count > 0 && size > 0 && size % count === 0) return batch.chunk(count);
  throw new RangeError(
    `accumulate must be a positive integer that divides the batch into equal parts; got ${count} for a batch of ${size}`,
  );
}

/** Returns the means, over equal parts, of the scalars that each part has logged. */
export function meanOfParts<Log extends { [K in keyof Log]: Tensor }>(logs: readonly Log[]): Log {
  const [first] = logs;
  if (first === undefined || logs.length === 1) return first!;
  const keys = Object.keys(first) as (keyof Log)[];
  const means = keys.map((key) => [key, torch.stack(logs.map((log) => log[key])).mean()] as const);
  return Object.fromEntries(means) as Log;
}

/** Adds the gradients to those that the parameters have. */
export function addGradients(parameters: readonly Tensor[], gradients: readonly (Tensor | null)[]): void {
  torch.noGrad(() => {
    for (const [i, parameter] of parameters.entries()) {
      const [before, gradient] = [parameter.grad, gradients[i] ?? null];
      parameter.grad = before && gradient ? before.add(gradient) : (gradient ?? before);
    }
  });
}
