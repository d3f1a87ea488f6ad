/** Runs a network on overlapping tiles of a large image, and blends the results. */
import { show } from '../config/read.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Options for images that are too large for the memory. */
export interface TileOptions {
  /**
   * Side in pixels of the overlapping tiles in which images are computed, rounded down to whole codes, such as 512.
   * Results then differ slightly from those of whole images. Default: no tiles.
   */
  tile?: number;
  /** Pixels that neighbouring tiles share at least. Default: a quarter of `tile`. */
  overlap?: number;
}

/** Sizes of an image's tiles, in codes. */
export interface Tiling {
  /** Side of the square tiles; a shorter side of the image is not cut. */
  tile: number;
  /** Codes that neighbouring tiles share at least, over which one fades into the other; less than `tile`. */
  overlap: number;
}

/** Returns the tile options among others. */
export function tileOptions({ tile, overlap }: TileOptions): TileOptions {
  return { ...(tile !== undefined && { tile }), ...(overlap !== undefined && { overlap }) };
}

/** Returns the sizes of tiles in codes; null without tiles. @throws RangeError for sides that cannot be cut */
export function tilingOf({ tile, overlap }: TileOptions, stride: number): Tiling | null {
  if (tile === undefined) {
    if (overlap === undefined) return null;
    throw new RangeError('overlap is that of tiles: give tile as well, their side in pixels, such as 512');
  }
  if (!Number.isSafeInteger(tile) || tile < 2 * stride) {
    throw new RangeError(
      `tile must be an integer of at least two codes, ${2 * stride} pixels, got ${show(tile)}`,
    );
  }
  const side = Math.floor(tile / stride);
  const pixels = overlap ?? Math.max(stride, tile / 4);
  if (typeof pixels !== 'number' || !(pixels >= 0 && pixels <= tile / 2)) {
    throw new RangeError(`overlap must be a number from 0 to half a tile, ${tile / 2}, got ${show(overlap)}`);
  }
  return { tile: side, overlap: Math.floor(pixels / stride) };
}

/** Units per code of a network's input and output: pixels are `stride` units, codes are one. */
export interface Units {
  from: number;
  to: number;
}

/** A tile along one side, with its share of the output at each position; the shares of all tiles sum to 1. */
export interface Piece {
  start: number;
  length: number;
  shares: Float32Array;
}

/** Cuts a side of `count` codes into evenly spread pieces; `to` is the number of output units per code. */
export function pieces(count: number, { tile, overlap }: Tiling, to: number): Piece[] {
  const length = Math.min(tile, count);
  const number = length === count ? 1 : Math.ceil((count - overlap) / (tile - overlap));
  const starts = Array.from({ length: number }, (_, i) =>
    number === 1 ? 0 : Math.round((i * (count - length)) / (number - 1)),
  );
  const total = new Float32Array(count * to);
  const all = starts.map((start, i) => {
    const before = i === 0 ? 0 : starts[i - 1]! + length - start;
    const after = i === number - 1 ? 0 : start + length - starts[i + 1]!;
    // A tile fades in over what it shares with the previous one, and out over what it shares with the next one.
    const fade = (at: number, shared: number) => (shared === 0 ? 1 : Math.min(1, (at + 0.5) / (shared * to)));
    const shares = Float32Array.from({ length: length * to }, (_, at) =>
      Math.min(fade(at, before), fade(length * to - 1 - at, after)),
    );
    shares.forEach((share, at) => (total[start * to + at]! += share));
    return { start, length, shares };
  });
  for (const { start, shares } of all)
    shares.forEach((share, at) => (shares[at] = share / total[start * to + at]!));
  return all;
}

/**
 * Runs `network` on each tile of x [B, C, h·from, w·from] and blends the outputs into [B, C', h·to, w·to], float32.
 * Only the tiles' activations are in memory at a time. The output differs slightly from that of the whole image, since
 * normalization and attention see one tile only. Call it without gradients.
 */
export function inTiles(
  x: Tensor,
  tiling: Tiling,
  { from, to }: Units,
  network: (x: Tensor) => Tensor,
): Tensor {
  const [batch, , height, width] = x.shape as [number, number, number, number];
  const [rows, columns] = [height, width].map((side) => pieces(side / from, tiling, to)) as [
    Piece[],
    Piece[],
  ];
  const cut = (piece: Tensor, dim: number, { start, length }: Piece, unit: number) =>
    piece.narrow(dim, start * unit, length * unit);
  let blended: Tensor | null = null;
  for (const row of rows) {
    for (const column of columns) {
      const tile = torch.scope(() => {
        const output = network(cut(cut(x, 2, row, from), 3, column, from)).float();
        const shares = torch.tensor(row.shares).unsqueeze(1).mul(torch.tensor(column.shares)); // [h, w]
        return output.mul(shares.to(output.device));
      });
      blended ??= torch.zeros([batch, tile.shape[1]!, (height / from) * to, (width / from) * to], {
        device: tile.device,
      });
      cut(cut(blended, 2, row, to), 3, column, to).add_(tile);
      tile.dispose();
    }
  }
  return blended!;
}
