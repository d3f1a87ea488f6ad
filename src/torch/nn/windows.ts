import type { Tensor } from '../index.js';
import * as windows from './functional/windows.js';
import type { PowerPoolOptions, WindowOptions } from './functional/windows.js';
import { Module } from './module.js';
import { pythonBool, pythonFloat, shownSize, spread, tuple } from './sizes.js';
import type { Size, Size1, Size2, Size3 } from './sizes.js';

/**
 * {@link unfold} as a module: [B, C, H, W] to [B, C · kernel area, number of windows].
 *
 * @example
 * ```ts
 * const y = new nn.Unfold(3, { padding: 1 }).forward(torch.randn([2, 3, 8, 8])); // [2, 27, 64]
 * ```
 */
export class Unfold extends Module {
  /** Height and width of a window. */
  readonly kernelSize: Size2;
  /** The positions of the windows. */
  readonly options: WindowOptions;

  constructor(kernelSize: Size2, options: WindowOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(input: Tensor): Tensor {
    return windows.unfold(input, this.kernelSize, this.options);
  }

  protected override extraRepr(): string {
    return `kernel_size=${shownSize(this.kernelSize)}, ${shownWindow(this.options)}`;
  }
}

/**
 * {@link fold} as a module: [B, C · kernel area, number of windows] to [B, C, H, W].
 *
 * @example
 * ```ts
 * const y = new nn.Fold([8, 8], 2, { stride: 2 }).forward(torch.randn([2, 12, 16])); // [2, 3, 8, 8]
 * ```
 */
export class Fold extends Module {
  /** Height and width of the result. */
  readonly outputSize: Size2;
  /** Height and width of a window. */
  readonly kernelSize: Size2;
  /** The positions of the windows. */
  readonly options: WindowOptions;

  constructor(outputSize: Size2, kernelSize: Size2, options: WindowOptions = {}) {
    super();
    this.outputSize = outputSize;
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  override forward(input: Tensor): Tensor {
    return windows.fold(input, this.outputSize, this.kernelSize, this.options);
  }

  protected override extraRepr(): string {
    const sizes = `output_size=${shownSize(this.outputSize)}, kernel_size=${shownSize(this.kernelSize)}`;
    return `${sizes}, ${shownWindow(this.options)}`;
  }
}

function shownWindow({ stride = 1, padding = 0, dilation = 1 }: WindowOptions): string {
  return `dilation=${shownSize(dilation)}, padding=${shownSize(padding)}, stride=${shownSize(stride)}`;
}

const maxUnpools = { 1: windows.maxUnpool1d, 2: windows.maxUnpool2d, 3: windows.maxUnpool3d };

abstract class MaxUnpool<S extends Size> extends Module {
  protected static readonly dims: 1 | 2 | 3;
  /** Sizes of a window. */
  readonly kernelSize: number[];
  /** Distances between windows. */
  readonly stride: number[];
  /** The padding of the pooling. */
  readonly padding: number[];
  readonly #operator: typeof windows.maxUnpool1d;

  constructor(kernelSize: S, options: { stride?: S; padding?: S } = {}) {
    super();
    const { stride = kernelSize, padding = 0 } = options;
    const { dims } = new.target;
    this.kernelSize = spread(kernelSize, dims, 'kernel size');
    this.stride = spread(stride, dims, 'stride');
    this.padding = spread(padding, dims, 'padding');
    this.#operator = maxUnpools[dims];
  }

  /** @param indices from `withIndices` of the pooling, of the input's shape */
  override forward(input: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
    const { kernelSize, stride, padding } = this;
    return this.#operator(input, indices, kernelSize, { stride, padding, ...(outputSize && { outputSize }) });
  }

  protected override extraRepr(): string {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map(tuple);
    return `kernel_size=${kernel}, stride=${stride}, padding=${padding}`;
  }
}

/**
 * Undoes {@link MaxPool1d}: puts the maxima at their positions, zeros elsewhere.
 *
 * @example
 * ```ts
 * const [maxima, indices] = new nn.MaxPool1d(2).withIndices(torch.tensor([[[1, 4, 3, 2]]]));
 * const y = new nn.MaxUnpool1d(2).forward(maxima, indices).tolist(); // [[[0, 4, 3, 0]]]
 * ```
 */
export class MaxUnpool1d extends MaxUnpool<Size1> {
  protected static override readonly dims = 1;
}

/**
 * Undoes {@link MaxPool2d}: puts the maxima at their positions, zeros elsewhere.
 *
 * @example
 * ```ts
 * const [maxima, indices] = new nn.MaxPool2d(2).withIndices(torch.randn([2, 3, 8, 8]));
 * const y = new nn.MaxUnpool2d(2).forward(maxima, indices); // [2, 3, 8, 8]
 * ```
 */
export class MaxUnpool2d extends MaxUnpool<Size2> {
  protected static override readonly dims = 2;
}

/**
 * Undoes {@link MaxPool3d}: puts the maxima at their positions, zeros elsewhere.
 *
 * @example
 * ```ts
 * const [maxima, indices] = new nn.MaxPool3d(2).withIndices(torch.randn([2, 3, 4, 8, 8]));
 * const y = new nn.MaxUnpool3d(2).forward(maxima, indices); // [2, 3, 4, 8, 8]
 * ```
 */
export class MaxUnpool3d extends MaxUnpool<Size3> {
  protected static override readonly dims = 3;
}

abstract class LPPool<S extends Size> extends Module {
  protected static readonly operator: typeof windows.lpPool1d;
  /** The p of the norm. */
  readonly normType: number;
  /** Sizes of a window, or one for all. */
  readonly kernelSize: S;
  /** Stride and rounding. */
  readonly options: PowerPoolOptions;
  readonly #operator: typeof windows.lpPool1d;

  constructor(normType: number, kernelSize: S, options: PowerPoolOptions & { stride?: S } = {}) {
    super();
    this.normType = normType;
    this.kernelSize = kernelSize;
    this.options = { ...options };
    this.#operator = new.target.operator;
  }

  override forward(input: Tensor): Tensor {
    return this.#operator(input, this.normType, this.kernelSize, this.options);
  }

  protected override extraRepr(): string {
    const { stride = null, ceilMode = false } = this.options;
    return (
      `norm_type=${this.normType}, kernel_size=${shownSize(this.kernelSize)}, stride=${shownSize(stride)}, ` +
      `ceil_mode=${pythonBool(ceilMode)}`
    );
  }
}

/**
 * {@link lpPool1d} as a module.
 *
 * @example
 * ```ts
 * const y = new nn.LPPool1d(2, 2).forward(torch.tensor([[3, 4, 6, 8]])).tolist(); // [[5, 10]]
 * ```
 */
export class LPPool1d extends LPPool<Size1> {
  protected static override readonly operator = windows.lpPool1d;
}

/**
 * {@link lpPool2d} as a module.
 *
 * @example
 * ```ts
 * const y = new nn.LPPool2d(2, 2).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 4, 4]
 * ```
 */
export class LPPool2d extends LPPool<Size2> {
  protected static override readonly operator = windows.lpPool2d;
}

/**
 * {@link lpPool3d} as a module.
 *
 * @example
 * ```ts
 * const y = new nn.LPPool3d(2, 2).forward(torch.randn([2, 3, 4, 8, 8])); // [2, 3, 2, 4, 4]
 * ```
 */
export class LPPool3d extends LPPool<Size3> {
  protected static override readonly operator = windows.lpPool3d;
}

/**
 * {@link localResponseNorm} as a module.
 *
 * @example
 * ```ts
 * const y = new nn.LocalResponseNorm(5).forward(torch.randn([2, 64, 8, 8])); // [2, 64, 8, 8]
 * ```
 */
export class LocalResponseNorm extends Module {
  /** Number of neighbouring channels. */
  readonly size: number;
  /** Factor of the mean square. */
  readonly alpha: number;
  /** Power of the divisor. */
  readonly beta: number;
  /** The divisor if all neighbours are 0. */
  readonly k: number;

  constructor(
    size: number,
    { alpha = 1e-4, beta = 0.75, k = 1 }: { alpha?: number; beta?: number; k?: number } = {},
  ) {
    super();
    this.size = size;
    this.alpha = alpha;
    this.beta = beta;
    this.k = k;
  }

  override forward(input: Tensor): Tensor {
    return windows.localResponseNorm(input, this.size, this);
  }

  protected override extraRepr(): string {
    const { size, alpha, beta, k } = this;
    return `${size}, alpha=${pythonFloat(alpha)}, beta=${pythonFloat(beta)}, k=${pythonFloat(k)}`;
  }
}

/**
 * {@link channelShuffle} as a module.
 *
 * @example
 * ```ts
 * const x = torch.tensor([[[1], [2], [3], [4]]]);
 * const y = new nn.ChannelShuffle(2).forward(x).tolist(); // [[[1], [3], [2], [4]]]
 * ```
 */
export class ChannelShuffle extends Module {
  /** Number of groups; divides the channels. */
  readonly groups: number;

  constructor(groups: number) {
    super();
    this.groups = groups;
  }

  override forward(input: Tensor): Tensor {
    return windows.channelShuffle(input, this.groups);
  }

  protected override extraRepr(): string {
    return `groups=${this.groups}`;
  }
}

export type { LPPool, MaxUnpool };
