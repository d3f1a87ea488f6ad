import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { interpolate } from './functional/resizing.js';
import type { InterpolateOptions } from './functional/resizing.js';
import { Module } from './module.js';
import { pythonFloat, shownSize, tuple } from './sizes.js';
import type { Size2 } from './sizes.js';

/**
 * Merges the dimensions from `startDim` to `endDim` into one.
 *
 * @example
 * ```ts
 * const y = new nn.Flatten().forward(torch.randn([2, 3, 4, 4])); // [2, 48]
 * ```
 */
export class Flatten extends Module {
  /** First dimension that is merged. */
  readonly startDim: number;
  /** Last dimension that is merged; −1 for the last dimension. */
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  override forward(input: Tensor): Tensor {
    return input.flatten(this.startDim, this.endDim);
  }

  protected override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/**
 * Splits a dimension into several; a size of −1 is inferred.
 *
 * @example
 * ```ts
 * const y = new nn.Unflatten(1, [3, 4, -1]).forward(torch.randn([2, 48])); // [2, 3, 4, 4]
 * ```
 */
export class Unflatten extends Module {
  /** The dimension that is split. */
  readonly dim: number;
  /** The sizes it is split into; one may be −1. */
  readonly unflattenedSize: readonly number[];

  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    this.dim = dim;
    this.unflattenedSize = [...unflattenedSize];
  }

  override forward(input: Tensor): Tensor {
    return torch.callOperator('aten::unflatten', 'int', [input, this.dim, this.unflattenedSize]) as Tensor;
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${tuple(this.unflattenedSize)}`;
  }
}

/**
 * Rearranges [B, C · r², H, W] to [B, C, r · H, r · W] (Shi et al., arXiv 1609.05158).
 *
 * @example
 * ```ts
 * const y = new nn.PixelShuffle(2).forward(torch.randn([1, 12, 4, 4])); // [1, 3, 8, 8]
 * ```
 */
export class PixelShuffle extends Module {
  /** Factor of height and width; the channels are divided by its square. */
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = upscaleFactor;
  }

  override forward(input: Tensor): Tensor {
    return torch.pixelShuffle(input, this.upscaleFactor);
  }

  protected override extraRepr(): string {
    return `upscale_factor=${this.upscaleFactor}`;
  }
}

/**
 * Moves squares of r × r positions into the channels: [B, C, r · H, r · W] to [B, C · r², H, W].
 *
 * @example
 * ```ts
 * const y = new nn.PixelUnshuffle(2).forward(torch.randn([1, 3, 8, 8])); // [1, 12, 4, 4]
 * ```
 */
export class PixelUnshuffle extends Module {
  /** Divisor of height and width; the channels are multiplied by its square. */
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = downscaleFactor;
  }

  override forward(input: Tensor): Tensor {
    return torch.pixelUnshuffle(input, this.downscaleFactor);
  }

  protected override extraRepr(): string {
    return `downscale_factor=${this.downscaleFactor}`;
  }
}

/**
 * {@link interpolate} as a module: `new Upsample({ scaleFactor: 2 })`.
 *
 * @example
 * ```ts
 * const upsample = new nn.Upsample({ scaleFactor: 2, mode: 'bicubic' });
 * const y = upsample.forward(torch.randn([1, 3, 8, 8])); // [1, 3, 16, 16]
 * ```
 */
export class Upsample extends Module {
  /** Size or factor, and the resampling mode. */
  readonly options: InterpolateOptions;

  constructor(options: InterpolateOptions) {
    super();
    this.options = { ...options };
  }

  override forward(input: Tensor): Tensor {
    return interpolate(input, this.options);
  }

  protected override extraRepr(): string {
    const { size, scaleFactor, mode = 'nearest' } = this.options;
    if (scaleFactor === undefined) return `size=${shownSize(size ?? null)}, mode='${mode}'`;
    const shown =
      typeof scaleFactor === 'number'
        ? pythonFloat(scaleFactor)
        : `(${scaleFactor.map(pythonFloat).join(', ')})`;
    return `scale_factor=${shown}, mode='${mode}'`;
  }
}

/**
 * {@link Upsample} of [B, C, H, W] that repeats the nearest element.
 *
 * @example
 * ```ts
 * const y = new nn.UpsamplingNearest2d({ scaleFactor: 2 }).forward(torch.randn([1, 3, 8, 8])); // [1, 3, 16, 16]
 * ```
 */
export class UpsamplingNearest2d extends Upsample {
  constructor(options: { size?: Size2; scaleFactor?: Size2 }) {
    super({ ...options, mode: 'nearest' });
  }
}

/**
 * Bilinear {@link Upsample} of [B, C, H, W] with aligned corners.
 *
 * @example
 * ```ts
 * const y = new nn.UpsamplingBilinear2d({ size: [9, 12] }).forward(torch.randn([1, 3, 8, 8])); // [1, 3, 9, 12]
 * ```
 */
export class UpsamplingBilinear2d extends Upsample {
  constructor(options: { size?: Size2; scaleFactor?: Size2 }) {
    super({ ...options, mode: 'bilinear', alignCorners: true });
  }
}
