/** Orders in which the transformer reads the code grid (paper, section 4.4 "ablations on the ordering"). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, type Given } from '../../config/schema.js';
import { MersenneTwister } from './mersenne-twister.js';

const schema = {
  /** Rows of the code grid. */
  H: count(),
  /** Columns of the code grid. */
  W: count(),
};

export type GridSize = Given<typeof schema>;

/**
 * Reorders the codes of a row-major grid, `[B, H·W]` → `[B, H·W]`; `reverse` undoes it.
 *
 * @example
 * ```ts
 * class Backwards extends Permuter {
 *   override forward(x: Tensor): Tensor {
 *     return x.flip([1]); // its own inverse
 *   }
 * }
 * ```
 */
export abstract class Permuter extends nn.Module {
  abstract override forward(x: Tensor, reverse?: boolean): Tensor;
}

/**
 * Keeps the row-major order of the grid. Has no buffers.
 *
 * @example
 * ```ts
 * const permuter = new IdentityPermuter();
 * const sequence = permuter.forward(torch.arange(256).unsqueeze(0)); // [1, 256], as it was
 * ```
 */
export class IdentityPermuter extends Permuter {
  override forward(x: Tensor, _reverse = false): Tensor {
    return x;
  }
}

/** A permuter with a fixed table: position k of the sequence holds grid cell `order[k]`. */
abstract class TablePermuter extends Permuter {
  /** Schema of the accepted configuration: the grid size. */
  static readonly schema: typeof schema = schema;
  /** Grid cell read at each position. [H·W] int64 */
  declare readonly forwardShuffleIdx: Tensor;
  /** Position at which each grid cell is read. [H·W] int64 */
  declare readonly backwardShuffleIdx: Tensor;

  constructor(grid: GridSize) {
    super();
    const { H, W } = readConfig(schema, grid, new.target.name);
    const order = this.orderOf(H, W);
    const inverse = new BigInt64Array(order.length);
    for (const [position, cell] of order.entries()) inverse[cell] = BigInt(position);
    this.registerBuffer('forwardShuffleIdx', torch.tensor(BigInt64Array.from(order, BigInt)));
    this.registerBuffer('backwardShuffleIdx', torch.tensor(inverse));
  }

  /** Returns the grid cell at each position. */
  protected abstract orderOf(H: number, W: number): number[];

  override forward(x: Tensor, reverse = false): Tensor {
    const table = reverse ? this.backwardShuffleIdx : this.forwardShuffleIdx;
    if (x.ndim < 2 || x.shape[1] !== table.shape[0]) {
      throw new torch.ShapeError(
        `${this.constructor.name} orders ${table.shape[0]} codes, [batch, ${table.shape[0]}], ` +
          `but got shape [${x.shape.join(', ')}].`,
      );
    }
    return x.indexSelect(1, table);
  }
}

const cells = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * Recursive subsampling: cells of even row and column first, then the other three parts, each recursively in the
 * same order.
 *
 * @example
 * ```ts
 * const permuter = new SubsamplePermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class SubsamplePermuter extends TablePermuter {
  /** Returns the recursive 2×2 polyphase order: cells of even row and column first, then recursively within each part. */
  protected orderOf(H: number, W: number): number[] {
    if (H !== W || (H & (H - 1)) !== 0) {
      throw new RangeError(
        `SubsamplePermuter needs a square grid whose side is a power of two, got ${H}×${W}.`,
      );
    }
    const bits = Math.log2(H);
    return cells(H * W).map((position) => {
      // The highest bit pair of the position selects the phase of the full grid, the next pair the phase of that part, …
      let row = 0;
      let column = 0;
      for (let level = 0; level < bits; level++) {
        const pair = position >> (2 * (bits - 1 - level));
        row |= ((pair >> 1) & 1) << level;
        column |= (pair & 1) << level;
      }
      return row * W + column;
    });
  }
}

/** Returns the Morton code with the row in the odd bits. */
function mortonCode(row: number, column: number): number {
  let code = 0;
  for (let bit = 0; bit < 16; bit++) {
    code += (((row >> bit) & 1) * 2 + ((column >> bit) & 1)) * 4 ** bit;
  }
  return code;
}

/**
 * Follows a Z-shaped (Morton) curve.
 *
 * @example
 * ```ts
 * const permuter = new ZCurvePermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class ZCurvePermuter extends TablePermuter {
  protected orderOf(H: number, W: number): number[] {
    const codes = cells(H * W).map((cell) => mortonCode(Math.floor(cell / W), cell % W));
    return cells(H * W).sort((a, b) => codes[a]! - codes[b]!);
  }
}

/** Returns a spiral from the cell below and left of the centre: up, right, down, left in runs of 1, 1, 2, 2, 3, 3, … */
function spiralOrder(name: string, H: number, W: number): number[] {
  if (H !== W || H % 2 !== 0) {
    throw new RangeError(`${name} needs a square grid with an even side, got ${H}×${W}.`);
  }
  const headings = [
    [-1, 0],
    [0, 1],
    [1, 0],
    [0, -1],
  ] as const;
  let row = H / 2;
  let column = H / 2 - 1;
  const order = [row * W + column];
  for (let leg = 0; order.length < H * W; leg++) {
    const [down, right] = headings[leg % 4]!;
    const run = Math.floor(leg / 2) + 1;
    // The last run is cut off at the edge of the grid.
    for (let step = 0; step < run && order.length < H * W; step++) {
      row += down;
      column += right;
      order.push(row * W + column);
    }
  }
  return order;
}

/**
 * Spirals from the centre outwards.
 *
 * @example
 * ```ts
 * const permuter = new SpiralOutPermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class SpiralOutPermuter extends TablePermuter {
  protected orderOf(H: number, W: number): number[] {
    return spiralOrder('SpiralOutPermuter', H, W);
  }
}

/**
 * Spirals from the border inwards: the reverse of `SpiralOutPermuter`.
 *
 * @example
 * ```ts
 * const permuter = new SpiralInPermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class SpiralInPermuter extends TablePermuter {
  protected orderOf(H: number, W: number): number[] {
    return spiralOrder('SpiralInPermuter', H, W).reverse();
  }
}

/**
 * Fixed random order, the same in every process: numpy's `RandomState(1).permutation(H·W)`.
 *
 * @example
 * ```ts
 * const permuter = new RandomPermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class RandomPermuter extends TablePermuter {
  protected orderOf(H: number, W: number): number[] {
    return new MersenneTwister(1).permutation(H * W);
  }
}

/**
 * Boustrophedon order: even rows from left to right, odd rows from right to left.
 *
 * @example
 * ```ts
 * const permuter = new AlternateParsingPermuter({ H: 16, W: 16 });
 * const codes = torch.arange(256).unsqueeze(0); // [1, 256]: a row-major grid
 * const sequence = permuter.forward(codes);
 * const again = permuter.forward(sequence, true); // equals codes
 * ```
 */
export class AlternateParsingPermuter extends TablePermuter {
  protected orderOf(H: number, W: number): number[] {
    return cells(H * W).map((position) => {
      const row = Math.floor(position / W);
      return row % 2 === 0 ? position : row * W + (W - 1 - (position % W));
    });
  }
}

export type { TablePermuter };
