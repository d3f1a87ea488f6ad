/** Random draws of quantizers, which a caller may replace by recorded ones. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { kind, optional } from '../../config/schema.js';

/** Functions that draw; each takes what the function of that name in `torch` takes. */
export interface Draws {
  randperm(count: number, options?: { device: torch.Device }): Tensor;
  randint(low: number, high: number, shape: readonly number[], options?: { device: torch.Device }): Tensor;
  randnLike(tensor: Tensor): Tensor;
}

const own: Draws = {
  randperm: torch.randperm,
  randint: torch.randint,
  randnLike: (tensor) => torch.randnLike(tensor),
};

/** Returns `torch`'s draws, some of them replaced. */
export const drawsOf = <D extends object = object>(given: (Partial<Draws> & D) | undefined): Draws & D =>
  ({ ...own, ...given }) as Draws & D;

/** The setting of a quantizer that replaces its draws; programs set it, not configuration files. */
export const drawsSetting = <D extends object = object>() =>
  optional(
    kind<Partial<Draws> & D>(
      'an object of functions, such as { randperm, randint, randnLike }',
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        Object.values(value).every((one) => typeof one === 'function'),
    )(),
  );

/** Returns `count` of `rows` row numbers: different ones if there are enough. */
export function drawRows(draws: Draws, rows: number, count: number, device: torch.Device): Tensor {
  if (rows >= count) return draws.randperm(rows, { device }).narrow(0, 0, count);
  return draws.randint(0, rows, [count], { device });
}
