/** Sampling of code grids larger than the trained one, through a window that slides over the grid. */
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { drawInWindows, planWindows } from './orders/window.js';
import {
  checkParts,
  gridsOf,
  inWindows,
  partsOf,
  tokensBefore,
  type GridCondition,
} from './window-condition.js';
import { by, readDraws, windowSide } from './window-options.js';
import type { WindowOptions } from './window-options.js';

export interface SampleWindowedOptions extends WindowOptions {
  /** Code grid `[h, w]`, at least one window in both directions. Default: that of the condition or the completion. */
  grid?: readonly [number, number];
  /** Given image tokens: `[B, h, w]`, of which the first `start` are kept, or those of the mask. Default: none. */
  completion?: Tensor | null;
  /** Number of cells of the completion that are kept, in reading order. Default: half of them, rounded down. */
  start?: number;
  /** True where the completion is kept, instead of `start`: `[h, w]` for all images, or `[B, h, w]`. */
  mask?: Tensor | null;
  /**
   * If true, leave cells undrawn (0) as the reference does after a completion that is kept up to within a row: those left
   * of column `start` mod w in all rows below. Default false.
   */
  referenceStart?: boolean;
  /** If true, feed whole windows as the reference does, instead of their part before the cell. Default false. */
  wholeWindow?: boolean;
}

/**
 * Samples code grids `[B, h, w]` int64 of any size. Each code is drawn from the window of the trained size around it, by
 * the reference's rule: the window is centred on the code, as far as the grid reaches, and what the model sees is the
 * condition of the window followed by the window's codes before this one.
 *
 * The condition is a grid of tokens `[B, h, w]` (codes of a segmentation or depth map, coordinates), of which each window
 * takes its part, or tokens `[B, N]` (a class, a start token), which are put before each window; of several conditions, a
 * list of them in their order. A model without a grid as condition does not know where in the image a window is.
 *
 * `repetitionPenalty` and `repetitionWindow` count the codes that the window has before this one, in its reading order.
 *
 * With `guidance`, each window is also fed under the dropped condition, in the same forward; the k-th cell of the grid in
 * reading order is its token k.
 *
 * Needs a model that reads the grid row by row. Synchronizes with a GPU before sampling, and at its end to check that all
 * logits were finite, unless `onStep` reads tensors. In float32 a wavefront's tokens can differ from those drawn one after
 * another where two tokens are equally likely up to rounding; what is drawn after them then differs, too.
 *
 * @throws RangeError or ShapeError before any work if grid, window, condition and given tokens do not fit each other or
 * the block; LogitsError with the number of the token whose logits were NaN or infinite
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const map = torch.zeros([1, 3, 1024, 512]); // what the model's condition stage encodes
 * const condition = net.condition.encode(map).indices.view([1, 64, 32]);
 * const codes = sampleWindowed(net, condition, { topK: 100, seed: 1 }); // [1, 64, 32]
 * const images = torch.noGrad(() => net.firstStageModel.decodeIndices(codes)); // [1, 3, 1024, 512]
 * ```
 */
export function sampleWindowed(
  net: TwoStage,
  condition: GridCondition,
  options: SampleWindowedOptions = {},
): Tensor {
  const {
    grid: asked,
    window: side,
    completion = null,
    start: kept,
    mask = null,
    referenceStart = false,
    wholeWindow = false,
    onStep,
    ...given
  } = options;
  const { transformer: prior } = net;
  const parts = partsOf(condition);
  const batch = checkParts('sampleWindowed', net, parts);
  const draws = readDraws('sampleWindowed', net, batch, given);
  const grid = gridOf(gridsOf(parts), asked, completion);
  const window = windowSide('sampleWindowed', prior, tokensBefore(parts), grid, side);
  const start = kept ?? Math.floor((grid[0] * grid[1]) / 2);
  checkGiven(batch, grid, completion, { start: kept, mask, referenceStart });
  return torch.noGrad(() =>
    torch.scope(() => {
      if (parts.length === 1 && parts[0]!.ndim === 2) net.condition.check?.(parts[0]!);
      const known =
        completion && (mask ? masked(completion, mask) : completed(completion, start, referenceStart));
      const { device } = parts[0]!;
      const tokens = known?.tokens ?? torch.zeros([batch, ...grid], { dtype: 'int64', device });
      const isGiven = known?.given ?? (() => false);
      const { wavefront, most, cacheBytes, pick, noiseOn } = draws;
      const request = {
        condition: inWindows(parts, window),
        start: tokens.to(device).long(),
        kept: known?.kept?.to(device) ?? null,
        plan: planWindows({ grid, window, given: isGiven, wavefront, most }),
        window,
        wholeWindow,
        cacheBytes,
        noise: noiseOn(device),
        dropped: (given: Tensor) => net.dropped(given),
        onStep,
      };
      return drawInWindows('sampleWindowed', prior, request, pick);
    }),
  );
}

/** Known before sampling: start tokens `[B, h, w]`, cells not drawn for any image, and cells kept for some images only. */
interface Known {
  tokens: Tensor;
  given: (cell: number) => boolean;
  kept?: Tensor | null; // [B, h·w]
}

/** Keeps the first `start` cells in reading order; the others start as 0. */
function completed(completion: Tensor, start: number, reference: boolean): Known {
  const [, height, width] = completion.shape as [number, number, number];
  const [top, left] = [Math.floor(start / width), start % width];
  const given = reference
    ? (cell: number) => cell < top * width || cell % width < left
    : (cell: number) => cell < start;
  const cells = torch.arange(height * width, { device: completion.device }).view([height, width]);
  return { tokens: completion.mul(cells.lt(start)), given };
}

function masked(completion: Tensor, mask: Tensor): Known {
  const kept = mask.bool().expand(completion.shape).flatten(1);
  const all = kept.all(0).tolist() as boolean[];
  return { tokens: completion, given: (cell) => all[cell]!, kept: mask.ndim === 3 ? kept : null };
}

const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;

function gridOf(
  own: readonly (readonly [number, number])[],
  asked: readonly [number, number] | undefined,
  completion: Tensor | null,
): readonly [number, number] {
  const given = completion ? (completion.shape.slice(-2) as [number, number]) : null;
  const grid = asked ?? own[0] ?? given;
  if (!grid) {
    throw new RangeError(
      'sampleWindowed: the condition is not a grid, so pass the code grid to sample: grid: [height, width].',
    );
  }
  const other = own.find(([height, width]) => height !== grid[0] || width !== grid[1]);
  if (!other) return grid;
  throw new torch.ShapeError(
    `sampleWindowed: the condition is a grid of ${by(other)} tokens, but the code grid is ${by(grid)}; pass a condition of the ` +
      'code grid’s size, or leave grid out.',
  );
}

function checkGiven(
  batch: number,
  grid: readonly [number, number],
  completion: Tensor | null,
  {
    start,
    mask,
    referenceStart,
  }: { start: number | undefined; mask: Tensor | null; referenceStart: boolean },
): void {
  const first = start !== undefined ? 'start' : referenceStart ? 'referenceStart' : null;
  if (!completion) {
    const what = first ?? (mask && 'a mask');
    if (!what) return;
    throw new TypeError(
      `sampleWindowed: ${what} was given without a completion; pass the tokens to keep as completion: [${batch}, ${grid.join(', ')}].`,
    );
  }
  if (mask && first) {
    throw new TypeError(`sampleWindowed: a mask was given together with ${first}; pass only one of them.`);
  }
  const area = grid[0] * grid[1];
  if (start !== undefined && !(Number.isSafeInteger(start) && start >= 0 && start <= area)) {
    throw new RangeError(
      `sampleWindowed: start must be an integer from 0 to ${area}, the cells of the grid, got ${start}.`,
    );
  }
  const whole = [batch, ...grid];
  if (text(completion.shape) !== text(whole)) {
    throw new torch.ShapeError(
      `sampleWindowed: the completion must be ${text(whole)}, a token for each cell of the grid, got ${text(completion.shape)}.`,
    );
  }
  if (mask && text(mask.shape) !== text(whole) && text(mask.shape) !== text(grid)) {
    throw new torch.ShapeError(
      `sampleWindowed: the mask must be ${text(grid)} or ${text(whole)}, the size of the grid, got ${text(mask.shape)}.`,
    );
  }
}
