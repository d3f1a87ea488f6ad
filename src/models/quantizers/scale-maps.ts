/** Indices of several scales: a map of each, or the tokens of all of them, from the first scale on and row by row. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Returns the number of tokens of scales with so many positions on a side. */
export function tokensOf(sides: readonly number[]): number {
  return sides.reduce((sum, side) => sum + side ** 2, 0);
}

/** Returns maps [B, p, p] as the tokens of all scales, [B, L]. */
export function joinedMaps(maps: readonly Tensor[]): Tensor {
  return torch.cat(
    maps.map((map) => map.flatten(1)),
    1,
  );
}

/** Returns the maps, int64 [B, p, p], of tokens [B, L] or of maps [B, p, p] or [B, p²]. */
export function mapsOf(indices: Tensor | readonly Tensor[], sides: readonly number[]): Tensor[] {
  const given = indices instanceof torch.Tensor ? split(indices, sides) : indices;
  if (given.length !== sides.length) {
    throw new torch.ShapeError(
      `there are ${sides.length} scales, but ${given.length} maps of indices were given`,
    );
  }
  return given.map((map, scale) => mapOf(map, sides, scale));
}

/** Returns indices of a scale, [B, p, p] or [B, p²], as int64 [B, p, p]. */
export function mapOf(map: Tensor, sides: readonly number[], scale: number): Tensor {
  if (map.dtype !== 'int64') {
    throw new torch.DTypeError(`indices must be int64, not ${map.dtype}: convert them with .long()`);
  }
  const side = sides[scale]!;
  const [batch, ...rest] = map.shape as [number, ...number[]];
  const forms = [String([side, side]), String([side ** 2])];
  if (forms.includes(String(rest))) return map.reshape([batch, side, side]);
  throw new torch.ShapeError(
    `the indices of scale ${scale} must be [B, ${side}, ${side}], got [${map.shape.join(', ')}]`,
  );
}

function split(indices: Tensor, sides: readonly number[]): Tensor[] {
  const tokens = tokensOf(sides);
  if (indices.ndim === 2 && indices.shape[1] === tokens) {
    return indices.split(
      sides.map((side) => side ** 2),
      1,
    );
  }
  throw new torch.ShapeError(
    `the indices of images must be [B, ${tokens}], the tokens of all scales, or a list of maps; ` +
      `got [${indices.shape.join(', ')}]`,
  );
}
