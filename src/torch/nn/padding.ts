import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { spread, tuple } from './sizes.js';
import type { Size } from './sizes.js';

export type Mode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** The number of dimensions that a class pads, and with what. */
interface Padded {
  dims: number;
  mode: Mode;
}

/** Pads the last dimensions; `padding` is one number, or [left, right, top, bottom, front, back] as far as it goes. */
abstract class Padding extends Module {
  protected static readonly padded: Padded;
  readonly padding: number[];
  readonly #mode: Mode;

  constructor(padding: Size) {
    super();
    const { dims, mode } = new.target.padded;
    this.padding = spread(padding, 2 * dims, `${this.constructor.name}: padding`);
    this.#mode = mode;
  }

  override forward(input: Tensor): Tensor {
    return torch.pad(input, this.padding, this.#mode);
  }

  protected override extraRepr(): string {
    return tuple(this.padding);
  }
}

abstract class ConstantPadding extends Padding {
  readonly value: number;

  constructor(padding: Size, value: number) {
    super(padding);
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    return torch.constantPadNd(input, this.padding, this.value);
  }

  protected override extraRepr(): string {
    return `padding=${tuple(this.padding)}, value=${this.value}`;
  }
}

/**
 * Pads [B, C, L] with a number.
 *
 * @example
 * ```ts
 * const y = new nn.ConstantPad1d([1, 2], 9).forward(torch.tensor([[1, 2, 3]])).tolist(); // [[9, 1, 2, 3, 9, 9]]
 * ```
 */
export class ConstantPad1d extends ConstantPadding {
  protected static override readonly padded: Padded = { dims: 1, mode: 'constant' };
}

/**
 * Pads [B, C, H, W] with a number.
 *
 * @example
 * ```ts
 * const y = new nn.ConstantPad2d([1, 1, 2, 0], 9).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 10, 10]
 * ```
 */
export class ConstantPad2d extends ConstantPadding {
  protected static override readonly padded: Padded = { dims: 2, mode: 'constant' };
}

/**
 * Pads [B, C, D, H, W] with a number.
 *
 * @example
 * ```ts
 * const y = new nn.ConstantPad3d(1, 9).forward(torch.randn([2, 3, 4, 6, 6])); // [2, 3, 6, 8, 8]
 * ```
 */
export class ConstantPad3d extends ConstantPadding {
  protected static override readonly padded: Padded = { dims: 3, mode: 'constant' };
}

/**
 * Pads [B, C, L] with zeros.
 *
 * @example
 * ```ts
 * const y = new nn.ZeroPad1d([1, 2]).forward(torch.tensor([[1, 2, 3]])).tolist(); // [[0, 1, 2, 3, 0, 0]]
 * ```
 */
export class ZeroPad1d extends Padding {
  protected static override readonly padded: Padded = { dims: 1, mode: 'constant' };
}

/**
 * Pads [B, C, H, W] with zeros.
 *
 * @example
 * ```ts
 * const y = new nn.ZeroPad2d([1, 1, 2, 0]).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 10, 10]
 * ```
 */
export class ZeroPad2d extends Padding {
  protected static override readonly padded: Padded = { dims: 2, mode: 'constant' };
}

/**
 * Pads [B, C, D, H, W] with zeros.
 *
 * @example
 * ```ts
 * const y = new nn.ZeroPad3d(1).forward(torch.randn([2, 3, 4, 6, 6])); // [2, 3, 6, 8, 8]
 * ```
 */
export class ZeroPad3d extends Padding {
  protected static override readonly padded: Padded = { dims: 3, mode: 'constant' };
}

/**
 * Pads [B, C, L] with its reflection at the ends, which are not repeated.
 *
 * @example
 * ```ts
 * const y = new nn.ReflectionPad1d([1, 2]).forward(torch.tensor([[1, 2, 3]])).tolist(); // [[2, 1, 2, 3, 2, 1]]
 * ```
 */
export class ReflectionPad1d extends Padding {
  protected static override readonly padded: Padded = { dims: 1, mode: 'reflect' };
}

/**
 * Pads [B, C, H, W] with its reflection at the borders, which are not repeated.
 *
 * @example
 * ```ts
 * const y = new nn.ReflectionPad2d([1, 1, 2, 0]).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 10, 10]
 * ```
 */
export class ReflectionPad2d extends Padding {
  protected static override readonly padded: Padded = { dims: 2, mode: 'reflect' };
}

/**
 * Pads [B, C, D, H, W] with its reflection at the borders, which are not repeated.
 *
 * @example
 * ```ts
 * const y = new nn.ReflectionPad3d(1).forward(torch.randn([2, 3, 4, 6, 6])); // [2, 3, 6, 8, 8]
 * ```
 */
export class ReflectionPad3d extends Padding {
  protected static override readonly padded: Padded = { dims: 3, mode: 'reflect' };
}

/**
 * Pads [B, C, L] by repeating its ends.
 *
 * @example
 * ```ts
 * const y = new nn.ReplicationPad1d([1, 2]).forward(torch.tensor([[1, 2, 3]])).tolist(); // [[1, 1, 2, 3, 3, 3]]
 * ```
 */
export class ReplicationPad1d extends Padding {
  protected static override readonly padded: Padded = { dims: 1, mode: 'replicate' };
}

/**
 * Pads [B, C, H, W] by repeating its borders.
 *
 * @example
 * ```ts
 * const y = new nn.ReplicationPad2d([1, 1, 2, 0]).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 10, 10]
 * ```
 */
export class ReplicationPad2d extends Padding {
  protected static override readonly padded: Padded = { dims: 2, mode: 'replicate' };
}

/**
 * Pads [B, C, D, H, W] by repeating its borders.
 *
 * @example
 * ```ts
 * const y = new nn.ReplicationPad3d(1).forward(torch.randn([2, 3, 4, 6, 6])); // [2, 3, 6, 8, 8]
 * ```
 */
export class ReplicationPad3d extends Padding {
  protected static override readonly padded: Padded = { dims: 3, mode: 'replicate' };
}

/**
 * Pads [B, C, L] circularly, from the opposite end.
 *
 * @example
 * ```ts
 * const y = new nn.CircularPad1d([1, 2]).forward(torch.tensor([[1, 2, 3]])).tolist(); // [[3, 1, 2, 3, 1, 2]]
 * ```
 */
export class CircularPad1d extends Padding {
  protected static override readonly padded: Padded = { dims: 1, mode: 'circular' };
}

/**
 * Pads [B, C, H, W] circularly, from the opposite side.
 *
 * @example
 * ```ts
 * const y = new nn.CircularPad2d([1, 1, 2, 0]).forward(torch.randn([2, 3, 8, 8])); // [2, 3, 10, 10]
 * ```
 */
export class CircularPad2d extends Padding {
  protected static override readonly padded: Padded = { dims: 2, mode: 'circular' };
}

/**
 * Pads [B, C, D, H, W] circularly, from the opposite side.
 *
 * @example
 * ```ts
 * const y = new nn.CircularPad3d(1).forward(torch.randn([2, 3, 4, 6, 6])); // [2, 3, 6, 8, 8]
 * ```
 */
export class CircularPad3d extends Padding {
  protected static override readonly padded: Padded = { dims: 3, mode: 'circular' };
}

export type { ConstantPadding, Padding };
