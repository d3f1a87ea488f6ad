import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { shownSize } from './sizes.js';

/** A size for each dimension, or one for all; null keeps the input's size. */
export type AdaptiveSize = number | null | readonly (number | null)[];

/** Base class of pooling to a given size: the result of an operator, or the first of its results. */
abstract class AdaptivePool extends Module {
  readonly outputSize: AdaptiveSize;
  readonly #sizes: (number | null)[];
  readonly #operator: (input: Tensor, outputSize: readonly number[]) => Tensor | Tensor[];

  constructor(
    dims: number,
    outputSize: AdaptiveSize,
    operator: (input: Tensor, outputSize: readonly number[]) => Tensor | Tensor[],
  ) {
    super();
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

/** Mean over windows of [B, C, L] chosen so that the output has the given length. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize, torch.adaptiveAvgPool1d);
  }
}

/** Mean over windows of [B, C, H, W] chosen so that the output has the given size. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize, torch.adaptiveAvgPool2d);
  }
}

/** Mean over windows of [B, C, D, H, W] chosen so that the output has the given size. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize, torch.adaptiveAvgPool3d);
  }
}

/** Largest value of windows of [B, C, L] chosen so that the output has the given length. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize, torch.adaptiveMaxPool1d);
  }
}

/** Largest value of windows of [B, C, H, W] chosen so that the output has the given size. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize, torch.adaptiveMaxPool2d);
  }
}

/** Largest value of windows of [B, C, D, H, W] chosen so that the output has the given size. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize, torch.adaptiveMaxPool3d);
  }
}

export type { AdaptivePool };
