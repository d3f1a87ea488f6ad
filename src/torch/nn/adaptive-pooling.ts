import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { shownSize } from './sizes.js';

/** A size for each dimension, or one for all; null keeps the input's size. */
export type AdaptiveSize = number | null | readonly (number | null)[];

abstract class AdaptivePool extends Module {
  readonly outputSize: AdaptiveSize;
  readonly #sizes: (number | null)[];

  constructor(dims: number, outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
    const given = typeof outputSize === 'number' || outputSize === null;
    this.#sizes = given ? Array.from({ length: dims }, () => outputSize) : [...outputSize];
    if (this.#sizes.length !== dims) {
      throw new torch.ArgumentError(
        `${this.constructor.name} takes one output size or ${dims}, not ${this.#sizes.length}`,
      );
    }
  }

  /** Returns the output size for an input. */
  protected sizeFor(input: Tensor): number[] {
    if (!this.#sizes.includes(null)) return this.#sizes as number[];
    const { shape } = input;
    const first = shape.length - this.#sizes.length;
    return this.#sizes.map((size, i) => size ?? (shape[first + i] as number));
  }

  protected override extraRepr(): string {
    return `output_size=${shownSize(this.outputSize)}`;
  }
}

/** Mean over windows of [B, C, L] chosen so that the output has the given length. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveAvgPool1d(input, this.sizeFor(input));
  }
}

/** Mean over windows of [B, C, H, W] chosen so that the output has the given size. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveAvgPool2d(input, this.sizeFor(input));
  }
}

/** Mean over windows of [B, C, D, H, W] chosen so that the output has the given size. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveAvgPool3d(input, this.sizeFor(input));
  }
}

/** Largest value of windows of [B, C, L] chosen so that the output has the given length. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(1, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveMaxPool1d(input, this.sizeFor(input))[0];
  }
}

/** Largest value of windows of [B, C, H, W] chosen so that the output has the given size. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(2, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveMaxPool2d(input, this.sizeFor(input))[0];
  }
}

/** Largest value of windows of [B, C, D, H, W] chosen so that the output has the given size. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  constructor(outputSize: AdaptiveSize) {
    super(3, outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveMaxPool3d(input, this.sizeFor(input))[0];
  }
}

export type { AdaptivePool };
