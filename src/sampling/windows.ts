/** Sampling of code grids larger than the trained one, through a window that slides over the grid. */
import { IdentityPermuter } from '../models/orders/permuter.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { checkFilterOptions, codesOnly } from './logits.js';
import type { PickOptions } from './logits.js';
import { drawInWindows, planWindows } from './orders/window.js';
import type { WindowStep } from './orders/window.js';

export interface SampleWindowedOptions extends PickOptions {
  /** Code grid `[h, w]`, at least one window in both directions. Default: that of the condition or the completion. */
  grid?: readonly [number, number];
  /**
   * Side of the window in codes. Default: the largest that fits the block, which is the trained grid's if the block
   * holds exactly one image with its condition.
   */
  window?: number;
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
  /**
   * Seed, an integer from 0 to 2^53 − 1. The draw of a token depends on the seed, the row of the batch and the cell alone.
   * Default: drawn from `generator`.
   */
  seed?: number;
  /**
   * `'sequential'` draws cells one after another; `'wavefront'` (the default) draws cells together whose windows do not
   * need each other, which gives the same tokens.
   */
  order?: 'sequential' | 'wavefront';
  /** If true, feed whole windows as the reference does, instead of their part before the cell. Default false. */
  wholeWindow?: boolean;
  /** Largest number of windows in a forward, unless the batch is larger. Default 64. */
  maxBatch?: number;
  /** Called after every step with its cells, inputs, logits and tokens, which are valid during the call. */
  onStep?: (step: WindowStep) => void;
}

/**
 * Samples code grids `[B, h, w]` int64 of any size. Each code is drawn from the window of the trained size around it, by
 * the reference's rule: the window is centred on the code, as far as the grid reaches, and what the model sees is the
 * condition of the window followed by the window's codes before this one.
 *
 * The condition is a grid of tokens `[B, h, w]` (codes of a segmentation or depth map, coordinates), of which each window
 * takes its part, or tokens `[B, N]` (a class, a start token), which are put before each window. A model without a grid as
 * condition does not know where in the image a window is.
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
  net: Net2NetTransformer,
  condition: Tensor,
  options: SampleWindowedOptions = {},
): Tensor {
  const {
    grid: asked,
    window: side,
    completion = null,
    start: kept,
    mask = null,
    referenceStart = false,
    seed,
    order = 'wavefront',
    wholeWindow = false,
    maxBatch = 64,
    onStep,
    ...given
  } = options;
  const { transformer: prior } = net;
  const pick = codesOnly(prior, given);
  checkFilterOptions(pick);
  checkModel(net);
  checkCount('maxBatch', maxBatch);
  if (order !== 'wavefront' && order !== 'sequential') {
    throw new RangeError(
      `sampleWindowed: order must be 'wavefront' or 'sequential', got ${JSON.stringify(order)}.`,
    );
  }
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new RangeError(`sampleWindowed: seed must be an integer from 0 to 2^53 − 1, got ${seed}.`);
  }
  const batch = checkCondition(condition);
  const grid = gridOf(condition, asked, completion);
  const window = windowOf(prior, condition, grid, side);
  const start = kept ?? Math.floor((grid[0] * grid[1]) / 2);
  checkGiven(batch, grid, completion, { start: kept, mask, referenceStart });
  return torch.noGrad(() =>
    torch.scope(() => {
      if (condition.ndim === 2) net.condition.check?.(condition);
      const known =
        completion && (mask ? masked(completion, mask) : completed(completion, start, referenceStart));
      const { device } = condition;
      const tokens = known?.tokens ?? torch.zeros([batch, ...grid], { dtype: 'int64', device });
      const most = Math.max(1, Math.floor(maxBatch / batch));
      const isGiven = known?.given ?? (() => false);
      const plan = planWindows({ grid, window, given: isGiven, wavefront: order === 'wavefront', most });
      const request = {
        condition,
        start: tokens.to(device).long(),
        kept: known?.kept?.to(device) ?? null,
        plan,
        window,
        wholeWindow,
        seed: pick.greedy ? 0 : (seed ?? drawSeed(device, pick)),
        onStep,
      };
      return drawInWindows('sampleWindowed', prior, request, pick);
    }),
  );
}

function drawSeed(device: torch.Device, { generator }: PickOptions): number {
  const how = generator ? { generator, device: generator.device as torch.Device } : { device };
  return Number(torch.randint(0, Number.MAX_SAFE_INTEGER, [1], { dtype: 'int64', ...how }).item());
}

/** What is known before sampling: start tokens `[B, h, w]`, cells not drawn for any image, and for some images only. */
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
const by = ([height, width]: readonly [number, number]) => `${height}×${width}`;

function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new RangeError(`sampleWindowed: ${name} must be a positive integer, got ${value}.`);
}

function checkModel({ pkeep, permuter }: Net2NetTransformer): void {
  if (!(permuter instanceof IdentityPermuter)) {
    throw new RangeError(
      `sampleWindowed: the model reads the grid in the order of ${permuter.constructor.name}, but windows need a model that ` +
        'reads it row by row; sample its own grid with sampleImages.',
    );
  }
  if (pkeep <= 0) {
    throw new RangeError(
      `sampleWindowed: the model has pkeep ${pkeep}, so it draws all tokens at once and does not use those before; ` +
        'sample its own grid with sampleImages.',
    );
  }
}

/** Returns the number of rows. */
function checkCondition(condition: Tensor): number {
  const { ndim, shape } = condition;
  if ((ndim === 2 || ndim === 3) && condition.numel() > 0) return shape[0]!;
  throw new torch.ShapeError(
    `sampleWindowed: the condition must be a grid of tokens [batch, height, width] or tokens [batch, count], got ${text(shape)}.`,
  );
}

function gridOf(
  condition: Tensor,
  asked: readonly [number, number] | undefined,
  completion: Tensor | null,
): readonly [number, number] {
  const last = (of: Tensor) => of.shape.slice(-2) as [number, number];
  const own = condition.ndim === 3 ? last(condition) : null;
  const grid = asked ?? own ?? (completion ? last(completion) : null);
  if (!grid) {
    throw new RangeError(
      'sampleWindowed: the condition is not a grid, so pass the code grid to sample: grid: [height, width].',
    );
  }
  for (const side of grid) checkCount('each side of the grid', side);
  if (own && (own[0] !== grid[0] || own[1] !== grid[1])) {
    throw new torch.ShapeError(
      `sampleWindowed: the condition is a grid of ${by(own)} tokens, but the code grid is ${by(grid)}; pass a condition of the ` +
        'code grid’s size, or leave grid out.',
    );
  }
  return grid;
}

function windowOf(
  { blockSize, nUnmasked }: { blockSize: number; nUnmasked: number },
  condition: Tensor,
  grid: readonly [number, number],
  asked?: number,
): number {
  const spatial = condition.ndim === 3;
  const count = spatial ? 0 : condition.shape[1]!;
  // The last token of a window is not fed.
  const largest = Math.floor(Math.sqrt(spatial ? (blockSize + 1) / 2 : Math.max(0, blockSize + 1 - count)));
  const window = asked ?? largest;
  if (window > largest || largest === 0) {
    const what = spatial ? 'their condition' : `${count} condition ${count === 1 ? 'token' : 'tokens'}`;
    throw new RangeError(
      `sampleWindowed: windows of ${window}×${window} codes with ${what} do not fit the model's block of ${blockSize} positions: ` +
        (largest > 0 ? `pass a window of at most ${largest}.` : 'build the model with a larger blockSize.'),
    );
  }
  checkCount('window', window);
  const least = Math.min(...grid);
  if (least < window) {
    throw new RangeError(
      `sampleWindowed: a grid of ${by(grid)} codes is smaller than the window of ${window}×${window}; pass a larger grid, or ` +
        `window: ${least}.`,
    );
  }
  const before = spatial ? window * window : count;
  if (nUnmasked > before) {
    throw new RangeError(
      `sampleWindowed: the model's unmasked prefix has ${nUnmasked} positions, of which the condition fills ${before}; windows ` +
        'need causal attention between image tokens.',
    );
  }
  return window;
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
