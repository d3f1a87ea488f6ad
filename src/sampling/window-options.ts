/** Options of all samplers that draw from windows, and their checks. */
import { IdentityPermuter } from '../models/orders/permuter.js';
import type { Prior } from '../models/priors/prior.js';
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import { cellNoise, checkSeeds, rowNoise, seedWords, type CellNoise } from './cell-noise.js';
import { rowsFor, type DrawOptions } from './engines/token-memory.js';
import { checkGuidable } from './guidance.js';
import { checkFilterOptions, codesOnly } from './logits.js';
import type { PickOptions } from './logits.js';
import type { WindowStep } from './orders/window.js';
import type { TokensBefore } from './window-condition.js';

export interface WindowOptions extends DrawOptions {
  /** Code grid `[h, w]`, at least one window in both directions. */
  grid?: readonly [number, number];
  /**
   * Side of the window in codes. Default: the largest that fits the block, which is the trained grid's if the block
   * holds exactly one image with its condition.
   */
  window?: number;
  /**
   * Seed, an integer from 0 to 2^53 − 1. The draw of a token depends on the seed, the row of the batch and the cell alone.
   * Default: drawn from `generator`.
   */
  seed?: number;
  /**
   * Seed of each row, instead of `seed`: a row's tokens then depend on its seed and the cell alone, not on the rows it is
   * drawn with. Default: none.
   */
  seeds?: readonly number[] | null;
  /**
   * `'sequential'` draws cells one after another; `'wavefront'` (the default) draws cells together whose windows do not
   * need each other, which gives the same tokens.
   */
  order?: 'sequential' | 'wavefront';
  /** Largest number of windows in a forward, unless the batch is larger. Default 64. */
  maxBatch?: number;
  /**
   * Largest memory for keys and values of windows that stand still, in bytes: near the edges of the grid, cells share a
   * window, of which then only what is new is computed. 0: none. The tokens are the same. Default 2 GiB.
   */
  cacheBytes?: number;
  /** Called after every step with its cells, inputs, logits and tokens, which are valid during the call. */
  onStep?: (step: WindowStep) => void;
}

/** Options of drawing windows, with defaults. */
export interface WindowDraws {
  pick: DrawOptions;
  wavefront: boolean;
  /** Largest number of cells in a step. */
  most: number;
  cacheBytes: number;
  /** Returns the noise with which cells are drawn; a seed that was not given is drawn first. Null if greedy. */
  noiseOn(device: torch.Device): CellNoise | null;
}

/**
 * Reads the options of a sampler and checks that the model can be sampled from windows.
 * @throws RangeError naming the caller and the option, or what the model does instead
 */
export function readDraws(
  caller: string,
  net: TwoStage,
  batch: number,
  {
    seed,
    seeds,
    order = 'wavefront',
    maxBatch = 64,
    cacheBytes = 2 * 2 ** 30,
    ...given
  }: Omit<WindowOptions, 'grid' | 'window' | 'onStep'>,
): WindowDraws {
  const pick = codesOnly(net.transformer, given);
  checkFilterOptions(pick);
  checkGuidable(net, pick);
  checkModel(caller, net);
  checkCount(caller, 'maxBatch', maxBatch);
  if (!(cacheBytes >= 0)) {
    throw new RangeError(`${caller}: cacheBytes must be a number of bytes, 0 for none, got ${cacheBytes}.`);
  }
  if (order !== 'wavefront' && order !== 'sequential') {
    throw new RangeError(
      `${caller}: order must be 'wavefront' or 'sequential', got ${JSON.stringify(order)}.`,
    );
  }
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new RangeError(`${caller}: seed must be an integer from 0 to 2^53 − 1, got ${seed}.`);
  }
  checkSeeds(caller, seeds, batch);
  if (seeds && seed !== undefined) {
    throw new TypeError(`${caller}: seed ${seed} was given together with seeds; pass only one of them.`);
  }
  const vocabulary = net.transformer.vocabSize;
  return {
    pick,
    wavefront: order === 'wavefront',
    most: Math.max(1, Math.floor(maxBatch / rowsFor(batch, pick))),
    cacheBytes,
    noiseOn: (device) => {
      if (pick.greedy) return null;
      if (seeds) return rowNoise(seedWords(seeds, device), vocabulary);
      return cellNoise(seed ?? drawSeed(device, pick), { batch, vocabulary, device });
    },
  };
}

function drawSeed(device: torch.Device, { generator }: PickOptions): number {
  const how = generator ? { generator, device: generator.device as torch.Device } : { device };
  return Number(torch.randint(0, Number.MAX_SAFE_INTEGER, [1], { dtype: 'int64', ...how }).item());
}

/** @throws RangeError unless the value is a positive integer */
export function checkCount(caller: string, name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new RangeError(`${caller}: ${name} must be a positive integer, got ${value}.`);
}

function checkModel(caller: string, { pkeep, permuter }: TwoStage): void {
  if (!(permuter instanceof IdentityPermuter)) {
    throw new RangeError(
      `${caller}: the model reads the grid in the order of ${permuter.constructor.name}, but windows need a model that ` +
        'reads it row by row; sample its own grid with sampleImages.',
    );
  }
  if (pkeep <= 0) {
    throw new RangeError(
      `${caller}: the model has pkeep ${pkeep}, so it draws all tokens at once and does not use those before; ` +
        'sample its own grid with sampleImages.',
    );
  }
}

/** Returns a grid's size as text, such as `42×64`. */
export const by = ([height, width]: readonly [number, number]): string => `${height}×${width}`;

/**
 * Returns the side of the window: that asked for, or the largest that fits the block.
 *
 * @param before numbers of tokens before a window's codes
 * @param grid null if it is to be one window
 * @throws RangeError if such windows with their condition do not fit the block or the grid
 */
export function windowSide(
  caller: string,
  { blockSize, nUnmasked }: Pick<Prior, 'blockSize' | 'nUnmasked'>,
  { grids, tokens }: TokensBefore,
  grid: readonly [number, number] | null,
  asked?: number,
): number {
  // The last token of a window is not fed.
  const room = blockSize + 1;
  const largest = Math.floor(Math.sqrt(Math.max(0, room - tokens) / (grids + 1)));
  const window = asked ?? largest;
  if (window > largest || largest === 0) {
    const what = [
      ...(grids > 0 ? ['their condition'] : []),
      ...(tokens > 0 || grids === 0 ? [`${tokens} condition ${tokens === 1 ? 'token' : 'tokens'}`] : []),
    ].join(' and ');
    throw new RangeError(
      `${caller}: windows of ${by([window, window])} codes with ${what} do not fit the model's block of ${blockSize} positions: ` +
        (largest > 0 ? `pass a window of at most ${largest}.` : 'build the model with a larger blockSize.'),
    );
  }
  checkCount(caller, 'window', window);
  for (const side of grid ?? []) checkCount(caller, 'each side of the grid', side);
  const least = Math.min(...(grid ?? [window]));
  if (grid && least < window) {
    throw new RangeError(
      `${caller}: a grid of ${by(grid)} codes is smaller than the window of ${by([window, window])}; pass a larger grid, or ` +
        `window: ${least}.`,
    );
  }
  const before = tokens + grids * window * window;
  if (nUnmasked > before) {
    throw new RangeError(
      `${caller}: the model's unmasked prefix has ${nUnmasked} positions, of which the condition fills ${before}; windows ` +
        'need causal attention between image tokens.',
    );
  }
  return window;
}
