/** Checks of the ids and sizes that a tokenizer decodes. */
import { show } from '../config/read.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/**
 * Checks that ids are integers [B, h, w] of a codebook.
 * @throws TypeError, ShapeError, DTypeError or RangeError
 */
export function checkIds(ids: unknown, nCodes: number): asserts ids is Tensor {
  if (!(ids instanceof torch.Tensor)) throw new TypeError(`decode expects ids [B, h, w], got ${show(ids)}`);
  if (ids.ndim !== 3 || ids.numel() === 0) {
    const hint = ids.ndim === 2 ? ': add the batch with .unsqueeze(0)' : '';
    throw new torch.ShapeError(`decode expects ids [B, h, w], got [${ids.shape.join(', ')}]${hint}`);
  }
  if (!/^u?int/.test(ids.dtype)) {
    throw new torch.DTypeError(`decode expects integer ids, got ${ids.dtype}: convert them with .long()`);
  }
  torch.scope(() => {
    const numbers = ids.to('int64');
    for (const id of [numbers.min().item(), numbers.max().item()].map(Number)) {
      if (id >= 0 && id < nCodes) continue;
      throw new RangeError(
        `id ${id} is not in the codebook, whose ids are 0 to ${nCodes - 1}; subtract an offset, and remove markers`,
      );
    }
  });
}

/** @throws RangeError unless the size is [height, width] in pixels within an image */
export function checkSize(size: readonly number[], height: number, width: number): void {
  const within = (value: number | undefined, most: number) =>
    Number.isSafeInteger(value) && value! >= 1 && value! <= most;
  if (size.length === 2 && within(size[0], height) && within(size[1], width)) return;
  throw new RangeError(`size must be [height, width] of at most [${height}, ${width}], got ${show(size)}`);
}
