import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { shownSize } from './sizes.js';

/** A size for each dimension, or one for all; null keeps the input's size. */
export type AdaptiveSize = number | null | readonly (number | null)[];

/** The number of dimensions that a class pools, and its operator. */
interface Pooled {
  dims: number;
  operator: (input: Tensor, outputSize: readonly number[]) => Tensor | Tensor[];
}

/** Base class of pooling to a given size: the result of an operator, or the first of its results. */
abstract class AdaptivePool extends Module {
  protected static readonly pooled: Pooled;
  readonly outputSize: AdaptiveSize;
  readonly #sizes: (number | null)[];
  readonly #operator: Pooled['operator'];

  constructor(outputSize: AdaptiveSize) {
    super();
    const { dims, operator } = new.target.pooled;
    this.outputSize = outputSize;
    const given = typeof outputSize === 'number' || outputSize === null;
    this.#sizes = given ? Array.from({ length: dims }, () => outputSize) : [...outputSize];
    this.#operator = operator;
    if (this.#sizes.length !== dims) {
      throw new torch.ArgumentError(
        `${this.constructor.name} takes one output size or ${dims}, not ${this.#sizes.length}`,
      );
    }
  }

  override forward(input: Tensor): Tensor {
    const { shape } = input;
    const first = shape.length - this.#sizes.length;
    const found = this.#operator(
      input,
      this.#sizes.map((size, i) => size ?? shape[first + i]!),
    );
    return Array.isArray(found) ? found[0]! : found;
  }

  protected override extraRepr(): string {
    return `output_size=${shownSize(this.outputSize)}`;
  }
}

/**
 * Mean over windows of [B, C, L] chosen so that the output has the given length.
 *
 * @example
 * ```ts
 * const y = new nn.AdaptiveAvgPool1d(5).forward(torch.randn([2, 64, 8])); // [2, 64, 5]
 * ```
 */
export class AdaptiveAvgPool1d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 1, operator: torch.adaptiveAvgPool1d };
}

/**
 * Mean over windows of [B, C, H, W] chosen so that the output has the given size.
 *
 * @example
 * ```ts
 * const means = new nn.AdaptiveAvgPool2d(1).forward(torch.randn([2, 64, 7, 9])); // [2, 64, 1, 1]
 * const rows = new nn.AdaptiveAvgPool2d([3, null]).forward(torch.randn([2, 64, 7, 9])); // [2, 64, 3, 9]
 * ```
 */
export class AdaptiveAvgPool2d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 2, operator: torch.adaptiveAvgPool2d };
}

/**
 * Mean over windows of [B, C, D, H, W] chosen so that the output has the given size.
 *
 * @example
 * ```ts
 * const y = new nn.AdaptiveAvgPool3d([4, 2, 2]).forward(torch.randn([2, 8, 9, 7, 7])); // [2, 8, 4, 2, 2]
 * ```
 */
export class AdaptiveAvgPool3d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 3, operator: torch.adaptiveAvgPool3d };
}

/**
 * Largest value of windows of [B, C, L] chosen so that the output has the given length.
 *
 * @example
 * ```ts
 * const y = new nn.AdaptiveMaxPool1d(5).forward(torch.randn([2, 64, 8])); // [2, 64, 5]
 * ```
 */
export class AdaptiveMaxPool1d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 1, operator: torch.adaptiveMaxPool1d };
}

/**
 * Largest value of windows of [B, C, H, W] chosen so that the output has the given size.
 *
 * @example
 * ```ts
 * const y = new nn.AdaptiveMaxPool2d([3, 5]).forward(torch.randn([2, 64, 7, 9])); // [2, 64, 3, 5]
 * ```
 */
export class AdaptiveMaxPool2d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 2, operator: torch.adaptiveMaxPool2d };
}

/**
 * Largest value of windows of [B, C, D, H, W] chosen so that the output has the given size.
 *
 * @example
 * ```ts
 * const y = new nn.AdaptiveMaxPool3d(2).forward(torch.randn([2, 8, 9, 7, 7])); // [2, 8, 2, 2, 2]
 * ```
 */
export class AdaptiveMaxPool3d extends AdaptivePool {
  protected static override readonly pooled: Pooled = { dims: 3, operator: torch.adaptiveMaxPool3d };
}

export type { AdaptivePool };
