import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { pythonBool, shownSize, spread } from './sizes.js';
import type { Size, Size1, Size2, Size3 } from './sizes.js';

export interface PoolOptions<S extends Size = Size2> {
  /** Default: the kernel's size. */
  stride?: S;
  /** Default 0. */
  padding?: S;
  /** Round output sizes up. Default false. */
  ceilMode?: boolean;
}

/** Base class of pooling over windows, for all dimensions. */
export abstract class Pool<S extends Size> extends Module {
  readonly kernelSize: number[];
  readonly stride: number[];
  readonly padding: number[];
  readonly ceilMode: boolean;
  protected readonly shown: string;

  constructor(dims: number, kernelSize: S, options: PoolOptions<S>) {
    super();
    const { stride = kernelSize, padding = 0, ceilMode = false } = options;
    this.kernelSize = spread(kernelSize, dims, 'kernel size');
    this.stride = spread(stride, dims, 'stride');
    this.padding = spread(padding, dims, 'padding');
    this.ceilMode = ceilMode;
    this.shown = `kernel_size=${shownSize(kernelSize)}, stride=${shownSize(stride)}, padding=${shownSize(padding)}`;
  }

  protected override extraRepr(): string {
    return this.shown;
  }
}

export type MaxPoolOptions<S extends Size> = PoolOptions<S> & { dilation?: S };

export abstract class MaxPool<S extends Size> extends Pool<S> {
  readonly dilation: number[];
  readonly #shownDilation: string;

  constructor(dims: number, kernelSize: S, options: MaxPoolOptions<S>) {
    super(dims, kernelSize, options);
    const { dilation = 1 } = options;
    this.dilation = spread(dilation, dims, 'dilation');
    this.#shownDilation = shownSize(dilation);
  }

  protected override extraRepr(): string {
    return `${this.shown}, dilation=${this.#shownDilation}, ceil_mode=${pythonBool(this.ceilMode)}`;
  }
}

/** The largest value of each window of [B, C, L]. */
export class MaxPool1d extends MaxPool<Size1> {
  constructor(kernelSize: Size1, options: MaxPoolOptions<Size1> = {}) {
    super(1, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    return torch.maxPool1d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  /** Returns the largest values and their positions in the plane (int64), for `MaxUnpool1d`. */
  withIndices(input: Tensor): [Tensor, Tensor] {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return torch.maxPool1dWithIndices(input, kernelSize, stride, padding, dilation, ceilMode);
  }
}

/** Largest value of each window of [B, C, H, W]. */
export class MaxPool2d extends MaxPool<Size2> {
  constructor(kernelSize: Size2, options: MaxPoolOptions<Size2> = {}) {
    super(2, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    return torch.maxPool2d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  /** Returns the largest values and their positions in the plane (int64), for `MaxUnpool2d`. */
  withIndices(input: Tensor): [Tensor, Tensor] {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return torch.maxPool2dWithIndices(input, kernelSize, stride, padding, dilation, ceilMode);
  }
}

/** Largest value of each window of [B, C, D, H, W]. */
export class MaxPool3d extends MaxPool<Size3> {
  constructor(kernelSize: Size3, options: MaxPoolOptions<Size3> = {}) {
    super(3, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    return torch.maxPool3d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  /** Returns the largest values and their positions in the plane (int64), for `MaxUnpool3d`. */
  withIndices(input: Tensor): [Tensor, Tensor] {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return torch.maxPool3dWithIndices(input, kernelSize, stride, padding, dilation, ceilMode);
  }
}

/** `countIncludePad`: true if padding counts as elements of the mean. Default true. */
export type AvgPoolOptions<S extends Size> = PoolOptions<S> & { countIncludePad?: boolean };

export abstract class AvgPool<S extends Size> extends Pool<S> {
  readonly countIncludePad: boolean;

  constructor(dims: number, kernelSize: S, options: AvgPoolOptions<S>) {
    super(dims, kernelSize, options);
    this.countIncludePad = options.countIncludePad ?? true;
  }
}

/** Mean of each window of [B, C, L]. */
export class AvgPool1d extends AvgPool<Size1> {
  constructor(kernelSize: Size1, options: AvgPoolOptions<Size1> = {}) {
    super(1, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return torch.avgPool1d(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }

  protected override extraRepr(): string {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map(shownSize);
    return `kernel_size=${kernel}, stride=${stride}, padding=${padding}`;
  }
}

/** Mean of each window of [B, C, H, W]. */
export class AvgPool2d extends AvgPool<Size2> {
  constructor(kernelSize: Size2, options: AvgPoolOptions<Size2> = {}) {
    super(2, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return torch.avgPool2d(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }
}

/** Mean of each window of [B, C, D, H, W]. */
export class AvgPool3d extends AvgPool<Size3> {
  constructor(kernelSize: Size3, options: AvgPoolOptions<Size3> = {}) {
    super(3, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return torch.avgPool3d(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }
}
