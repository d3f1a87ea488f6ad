import * as torch from '../index.js';
import { ShapeError } from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { Overwriting } from './overwriting.js';
import type { InplaceOptions } from './overwriting.js';

/** The positive part: max(x, 0) of every element; any shape. */
export class ReLU extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu_() : input.relu();
  }
}

/** x if positive, otherwise slope · x. */
export class LeakyReLU extends Overwriting {
  /** Factor of negative elements. */
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01, options: InplaceOptions = {}) {
    super(options);
    this.negativeSlope = negativeSlope;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.leakyRelu_(this.negativeSlope) : input.leakyRelu(this.negativeSlope);
  }

  protected override extraRepr(): string {
    return this.withInplace(`negative_slope=${this.negativeSlope}`);
  }
}

/** x · sigmoid(x), also called swish. */
export class SiLU extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.silu_() : input.silu();
  }
}

/** x · Φ(x), where Φ is the normal distribution's cumulative function, or its tanh approximation. */
export class GELU extends Module {
  /** The exact form (`none`), or the tanh approximation. */
  readonly approximate: 'none' | 'tanh';

  constructor({ approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    this.approximate = approximate;
  }

  override forward(input: Tensor): Tensor {
    return this.approximate === 'none' ? input.gelu() : input.gelu({ approximate: this.approximate });
  }

  protected override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** 1 / (1 + e⁻ˣ). Any shape. */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return input.sigmoid();
  }
}

/** The hyperbolic tangent. Any shape. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return input.tanh();
  }
}

/** Base class of activations along a dimension, whose elements then sum to 1. */
abstract class AlongDimension extends Module {
  /** The dimension whose elements sum to 1. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** eˣ divided by its sum along a dimension: positive, with sum 1. Any shape. */
export class Softmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.softmax(this.dim);
  }
}

/** The logarithm of the softmax along a dimension, computed stably. Any shape. */
export class LogSoftmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.logSoftmax(this.dim);
  }
}

/** The softmax of −x along a dimension: the smallest elements get the largest shares. Any shape. */
export class Softmin extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.neg().softmax(this.dim);
  }
}

/** log(sigmoid(x)), accurate for large negative x. Any shape. */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return torch.logSigmoid(input);
  }
}

/** The softmax over the channels of [B, C, H, W] or [C, H, W], at every position. */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.ndim === 3 || input.ndim === 4) return input.softmax(-3);
    throw new ShapeError(`Softmax2d expects [B, C, H, W] or [C, H, W], not [${input.shape.join(', ')}]`);
  }
}

export type { AlongDimension };
