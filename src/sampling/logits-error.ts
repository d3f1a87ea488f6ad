/** Detection of NaN or infinite logits without a GPU synchronization at every token. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/**
 * Thrown if logits are NaN or infinite, so that no token can be drawn.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 16, blockSize: 8, nLayer: 1, nHead: 1, nEmbd: 8 });
 * try {
 *   generate(gpt, torch.zeros([1, 1], { dtype: 'int64' }), 4);
 * } catch (error) {
 *   if (error instanceof LogitsError) console.error(`token ${error.step} of row ${error.row}`);
 * }
 * ```
 */
export class LogitsError extends torch.TorchError {
  /** Row of the batch, from 0. */
  readonly row: number;
  /** Number of the token that could not be drawn, from 0. */
  readonly step: number;

  constructor(message: string, row: number, step: number) {
    super(message);
    this.row = row;
    this.step = step;
  }
}

/** Reads one number from the device. Synchronizes: waits for all previously launched work. */
const read = (value: Tensor): number => Number(torch.callOperator('aten::item', '', [value]));

/**
 * Throws if the largest logit was not finite at any step. Synchronizes with the device once.
 *
 * @param peaks largest logit of each row at each step: `[B, steps]`
 * @param first number of the first step in `peaks`
 * @throws LogitsError naming the earliest step and its first row
 */
export function checkPeaks(peaks: Tensor, caller: string, first = 0): void {
  if (peaks.numel() === 0) return;
  torch.noGrad(() =>
    torch.scope(() => {
      // One number says that all are finite: at each token on the CPU, finding out which are not would be slow.
      if (Number.isFinite(read(peaks.sum()))) return;
      const broken = peaks.isfinite().logicalNot(); // [B, steps]
      if (!read(broken.any())) return;
      const [batch] = peaks.shape as [number, number];
      const at = read(broken.t().flatten().to('uint8').argmax()); // earliest step first
      const [step, row] = [first + Math.floor(at / batch), at % batch];
      const value = read(peaks.select(1, step - first).select(0, row));
      const what = Number.isNaN(value) ? 'NaN' : value > 0 ? 'infinite' : 'all −∞';
      throw new LogitsError(
        `${caller}: at step ${step} the logits of row ${row} are ${what}, so no token can be drawn from them; ` +
          "check the model's weights and inputs for NaN and infinity, or use another dtype.",
        row,
        step,
      );
    }),
  );
}
