/** The condition of a grid of codes that is drawn through windows: grids of tokens, and tokens that are the same everywhere. */
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { WindowCondition } from './orders/window.js';

/**
 * An encoded condition, or those of several conditions, in their order: each a grid of tokens `[B, h, w]`, one for each
 * code (of a map, or coordinates), or tokens `[B, N]` (a class, a start token).
 */
export type GridCondition = Tensor | readonly Tensor[];

/** Numbers of tokens before the codes of a window. */
export interface TokensBefore {
  /** Number of grids, of which a window has a token for each of its codes. */
  grids: number;
  /** Number of the other tokens. */
  tokens: number;
}

const isGrid = (part: Tensor): boolean => part.ndim === 3;

/** Returns the parts of a condition. */
export const partsOf = (condition: GridCondition): readonly Tensor[] =>
  condition instanceof torch.Tensor ? [condition] : condition;

/** Returns the tokens `[B, N]` of several conditions; one condition, which may be vectors, as it is. */
export const joinedTokens = (condition: GridCondition): Tensor =>
  condition instanceof torch.Tensor
    ? condition
    : torch.cat(
        condition.map((part) => part.flatten(1)),
        1,
      );

/** Returns the parts of a condition, of which those with a token for each code become grids `[B, h, w]`. */
export const onGrid = (condition: GridCondition, grid: readonly [number, number]): Tensor[] =>
  partsOf(condition).map((part) => (isMapOf(grid, part) ? part.view([-1, ...grid]) : part));

/** True if there is one token for each code of a grid. */
export const isMapOf = ([height, width]: readonly [number, number], { ndim, shape }: Tensor): boolean =>
  ndim === 2 && shape[1] === height * width;

/**
 * Checks that each part is a grid of tokens or tokens, with as many rows as the others, and returns the number of rows.
 *
 * @throws RangeError if the condition is vectors, or ShapeError naming the part
 */
export function checkParts(caller: string, net: TwoStage, parts: readonly Tensor[]): number {
  if (net.condition.embed) {
    throw new RangeError(
      `${caller}: the condition is vectors, which do not say where a window is; sample the model’s own grid with sampleImages.`,
    );
  }
  const at = parts.findIndex((part) => (part.ndim !== 2 && part.ndim !== 3) || part.numel() === 0);
  if (at >= 0 || parts.length === 0) {
    const got = at >= 0 ? `[${parts[at]!.shape.join(', ')}]` : 'an empty list';
    const which = parts.length > 1 ? `condition ${at}` : 'the condition';
    throw new torch.ShapeError(
      `${caller}: ${which} must be a grid of tokens [batch, height, width] or tokens [batch, count], got ${got}.`,
    );
  }
  const [batch] = parts[0]!.shape as [number];
  const other = parts.find(({ shape }) => shape[0] !== batch);
  if (!other) return batch;
  throw new torch.ShapeError(
    `${caller}: all conditions must have the same number of rows, got ${batch} and ${other.shape[0]}.`,
  );
}

/** Returns the size of each grid of a condition. */
export const gridsOf = (parts: readonly Tensor[]): (readonly [number, number])[] =>
  parts.filter(isGrid).map(({ shape }) => shape.slice(1) as [number, number]);

/** Returns the numbers of tokens that a condition puts before the codes of a window. */
export function tokensBefore(parts: readonly Tensor[]): TokensBefore {
  const others = parts.filter((part) => !isGrid(part));
  const tokens = others.reduce((sum, { shape }) => sum + shape[1]!, 0);
  return { grids: parts.length - others.length, tokens };
}

/** Returns the condition of windows of a side: of each grid the window's part, and the other tokens, in the parts' order. */
export function inWindows(parts: readonly Tensor[], window: number): WindowCondition {
  const { grids, tokens } = tokensBefore(parts);
  const area = window * window;
  /** Returns a part before K windows: [B·K, N]. */
  const before = (part: Tensor, places: Tensor): Tensor =>
    isGrid(part)
      ? part.flatten(1).indexSelect(1, places.flatten()).view([-1, area])
      : part.repeatInterleave(places.shape[0]!, 0);
  return {
    length: tokens + grids * area,
    of: (_, places) => {
      const rows = parts.map((part) => before(part, places));
      return rows.length === 1 ? rows[0]! : torch.cat(rows, 1);
    },
  };
}
