import * as torch from '../../index.js';
import type { Tensor } from '../../index.js';
import { spread } from '../sizes.js';
import type { Size } from '../sizes.js';

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/**
 * Adds elements before and after each of the last dimensions: a number, or those that the mode takes from the tensor.
 *
 * @param padding amounts before and after, from the last dimension on: [left, right, top, bottom, …]
 *
 * @example
 * ```ts
 * const y = F.pad(torch.tensor([1, 2]), [1, 2]).tolist(); // [0, 1, 2, 0, 0]
 * const mirrored = F.pad(torch.randn([2, 3, 8, 8]), [1, 1, 2, 2], { mode: 'reflect' }); // [2, 3, 12, 10]
 * ```
 */
export function pad(
  input: Tensor,
  padding: readonly number[],
  { mode = 'constant', value = null }: { mode?: PadMode; value?: number | null } = {},
): Tensor {
  // The same operator without a string argument, which is faster to call.
  if (mode === 'constant') return torch.constantPadNd(input, [...padding], value ?? 0);
  return torch.pad(input, [...padding], mode, value);
}

export type InterpolateMode =
  'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'bicubic' | 'trilinear' | 'area';

export interface InterpolateOptions {
  /** Output size, for all dimensions or for each; pass this or `scaleFactor`. */
  size?: Size;
  scaleFactor?: Size;
  /**
   * `linear` for [B, C, L], `bilinear` and `bicubic` for [B, C, H, W], `trilinear` for [B, C, D, H, W]. Default
   * `nearest`.
   */
  mode?: InterpolateMode;
  /** For `linear` to `trilinear`: true if corner elements keep their values. Default false. */
  alignCorners?: boolean;
  /** For `bilinear` and `bicubic`: filter when downsampling. Default false. */
  antialias?: boolean;
}

const dimsOfMode: Partial<Record<InterpolateMode, number>> = {
  linear: 1,
  bilinear: 2,
  bicubic: 2,
  trilinear: 3,
};

/**
 * Resizes the last dimensions of [B, C, L], [B, C, H, W] or [B, C, D, H, W] to a size or by a factor.
 *
 * @example
 * ```ts
 * const larger = F.interpolate(torch.randn([1, 3, 8, 8]), { scaleFactor: 2, mode: 'bilinear' }); // [1, 3, 16, 16]
 * const fixed = F.interpolate(torch.randn([1, 3, 8, 8]), { size: [5, 7] }); // [1, 3, 5, 7]
 * ```
 */
export function interpolate(input: Tensor, options: InterpolateOptions): Tensor {
  const { mode = 'nearest', alignCorners = false, antialias = false } = options;
  const dims = input.ndim - 2;
  const wanted = dimsOfMode[mode] ?? dims;
  if (dims < 1 || dims > 3 || dims !== wanted) {
    const expected = ['[B, C, L]', '[B, C, H, W]', '[B, C, D, H, W]'];
    throw new torch.ShapeError(
      `interpolate (${mode}) expects ${dimsOfMode[mode] === undefined ? expected.join(' or ') : expected[wanted - 1]}, ` +
        `not [${input.shape.join(', ')}]`,
    );
  }
  const size = options.size === undefined ? null : spread(options.size, dims, 'interpolate: size');
  const scales =
    options.scaleFactor === undefined ? null : spread(options.scaleFactor, dims, 'interpolate: scaleFactor');
  if ((size === null) === (scales === null)) {
    throw new torch.ArgumentError('interpolate takes either size or scaleFactor, not both or neither');
  }
  if (dimsOfMode[mode] !== undefined) {
    const name = `upsample_${mode}${dims}d`;
    const filtered = antialias && dims === 2 ? `aten::_${name}_aa` : `aten::${name}`;
    return torch.callOperator(filtered, 'vec', [input, size, alignCorners, scales]) as Tensor;
  }
  const plain = [input, size, scales];
  switch (mode) {
    case 'nearest':
      return torch.callOperator(`aten::upsample_nearest${dims}d`, 'vec', plain) as Tensor;
    case 'nearest-exact':
      return torch.callOperator(`aten::_upsample_nearest_exact${dims}d`, 'vec', plain) as Tensor;
    case 'area': {
      const output =
        size ?? input.shape.slice(2).map((n, i) => Math.floor(n * ((scales as number[])[i] as number)));
      return torch.callOperator(`aten::adaptive_avg_pool${dims}d`, '', [input, output]) as Tensor;
    }
    default:
      throw new torch.ArgumentError(`interpolate: unknown mode '${String(mode)}'`);
  }
}

/**
 * Moves channels into squares of r × r positions: [B, C · r², H, W] to [B, C, r · H, r · W].
 *
 * @example
 * ```ts
 * const y = F.pixelShuffle(torch.randn([1, 12, 4, 4]), 2); // [1, 3, 8, 8]
 * ```
 */
export function pixelShuffle(input: Tensor, upscaleFactor: number): Tensor {
  return torch.pixelShuffle(input, upscaleFactor);
}

/** Moves squares of r × r positions into the channels: [B, C, r · H, r · W] to [B, C · r², H, W]. */
export function pixelUnshuffle(input: Tensor, downscaleFactor: number): Tensor {
  return torch.pixelUnshuffle(input, downscaleFactor);
}
