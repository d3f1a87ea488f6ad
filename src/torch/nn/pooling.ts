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

const maxPools = { 1: torch.maxPool1d, 2: torch.maxPool2d, 3: torch.maxPool3d };
const maxPoolsWithIndices = {
  1: torch.maxPool1dWithIndices,
  2: torch.maxPool2dWithIndices,
  3: torch.maxPool3dWithIndices,
};
const avgPools = { 1: torch.avgPool1d, 2: torch.avgPool2d, 3: torch.avgPool3d };

/** Base class of pooling over windows, for all dimensions. */
abstract class Pool<S extends Size> extends Module {
  protected static readonly dims: 1 | 2 | 3;
  readonly kernelSize: number[];
  readonly stride: number[];
  readonly padding: number[];
  readonly ceilMode: boolean;
  protected readonly shown: string;

  constructor(kernelSize: S, options: PoolOptions<S>) {
    super();
    const { dims } = new.target;
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

abstract class MaxPool<S extends Size> extends Pool<S> {
  readonly dilation: number[];
  readonly #shownDilation: string;
  readonly #operator: typeof torch.maxPool2d;
  readonly #withIndices: typeof torch.maxPool2dWithIndices;

  constructor(kernelSize: S, options: MaxPoolOptions<S> = {}) {
    super(kernelSize, options);
    const { dims } = new.target;
    const { dilation = 1 } = options;
    this.dilation = spread(dilation, dims, 'dilation');
    this.#shownDilation = shownSize(dilation);
    this.#operator = maxPools[dims];
    this.#withIndices = maxPoolsWithIndices[dims];
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return this.#operator(input, kernelSize, stride, padding, dilation, ceilMode);
  }

  /** Returns the largest values and their positions in the plane (int64), for `MaxUnpool1d` to `MaxUnpool3d`. */
  withIndices(input: Tensor): [Tensor, Tensor] {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return this.#withIndices(input, kernelSize, stride, padding, dilation, ceilMode);
  }

  protected override extraRepr(): string {
    return `${this.shown}, dilation=${this.#shownDilation}, ceil_mode=${pythonBool(this.ceilMode)}`;
  }
}

/**
 * The largest value of each window of [B, C, L].
 *
 * @example
 * ```ts
 * const y = new nn.MaxPool1d(2).forward(torch.tensor([[1, 4, 2, 3]])).tolist(); // [[4, 3]]
 * ```
 */
export class MaxPool1d extends MaxPool<Size1> {
  protected static override readonly dims = 1;
}

/**
 * Largest value of each window of [B, C, H, W].
 *
 * @example
 * ```ts
 * const y = new nn.MaxPool2d(3, { stride: 2, padding: 1 }).forward(torch.randn([2, 64, 32, 32])); // [2, 64, 16, 16]
 * ```
 */
export class MaxPool2d extends MaxPool<Size2> {
  protected static override readonly dims = 2;
}

/**
 * Largest value of each window of [B, C, D, H, W].
 *
 * @example
 * ```ts
 * const y = new nn.MaxPool3d([1, 2, 2]).forward(torch.randn([2, 8, 4, 16, 16])); // [2, 8, 4, 8, 8]
 * ```
 */
export class MaxPool3d extends MaxPool<Size3> {
  protected static override readonly dims = 3;
}

/** `countIncludePad`: true if padding counts as elements of the mean. Default true. */
export type AvgPoolOptions<S extends Size> = PoolOptions<S> & { countIncludePad?: boolean };

abstract class AvgPool<S extends Size> extends Pool<S> {
  readonly countIncludePad: boolean;
  readonly #operator: typeof torch.avgPool2d;

  constructor(kernelSize: S, options: AvgPoolOptions<S> = {}) {
    super(kernelSize, options);
    this.countIncludePad = options.countIncludePad ?? true;
    this.#operator = avgPools[new.target.dims];
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return this.#operator(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }
}

/**
 * Mean of each window of [B, C, L].
 *
 * @example
 * ```ts
 * const y = new nn.AvgPool1d(2).forward(torch.tensor([[1, 4, 2, 3]])).tolist(); // [[2.5, 2.5]]
 * ```
 */
export class AvgPool1d extends AvgPool<Size1> {
  protected static override readonly dims = 1;

  protected override extraRepr(): string {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map(shownSize);
    return `kernel_size=${kernel}, stride=${stride}, padding=${padding}`;
  }
}

/**
 * Mean of each window of [B, C, H, W].
 *
 * @example
 * ```ts
 * const y = new nn.AvgPool2d(2).forward(torch.randn([2, 64, 32, 32])); // [2, 64, 16, 16]
 * ```
 */
export class AvgPool2d extends AvgPool<Size2> {
  protected static override readonly dims = 2;
}

/**
 * Mean of each window of [B, C, D, H, W].
 *
 * @example
 * ```ts
 * const y = new nn.AvgPool3d(2).forward(torch.randn([2, 8, 4, 16, 16])); // [2, 8, 2, 8, 8]
 * ```
 */
export class AvgPool3d extends AvgPool<Size3> {
  protected static override readonly dims = 3;
}

export type { AvgPool, MaxPool, Pool };
