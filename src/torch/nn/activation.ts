import * as torch from '../index.js';
import { ShapeError } from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';

export interface InplaceOptions {
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace?: boolean;
}

/** The positive part: max(x, 0) of every element; any shape. */
export class ReLU extends Module {
  readonly inplace: boolean;

  constructor({ inplace = false }: InplaceOptions = {}) {
    super();
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu_() : input.relu();
  }

  protected override extraRepr(): string {
    return this.inplace ? 'inplace=True' : '';
  }
}

/** x if positive, otherwise slope · x. */
export class LeakyReLU extends Module {
  /** Factor of negative elements. */
  readonly negativeSlope: number;
  readonly inplace: boolean;

  constructor(negativeSlope = 0.01, { inplace = false }: InplaceOptions = {}) {
    super();
    this.negativeSlope = negativeSlope;
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.leakyRelu_(this.negativeSlope) : input.leakyRelu(this.negativeSlope);
  }

  protected override extraRepr(): string {
    return `negative_slope=${this.negativeSlope}${this.inplace ? ', inplace=True' : ''}`;
  }
}

/** x · sigmoid(x), also called swish. */
export class SiLU extends Module {
  readonly inplace: boolean;

  constructor({ inplace = false }: InplaceOptions = {}) {
    super();
    this.inplace = inplace;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.silu_() : input.silu();
  }

  protected override extraRepr(): string {
    return this.inplace ? 'inplace=True' : '';
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

/** eˣ divided by its sum along a dimension: positive, with sum 1. Any shape. */
export class Softmax extends Module {
  /** The dimension whose elements sum to 1. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  override forward(input: Tensor): Tensor {
    return input.softmax(this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The logarithm of the softmax along a dimension, computed stably. Any shape. */
export class LogSoftmax extends Module {
  /** The dimension whose elements sum to 1. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  override forward(input: Tensor): Tensor {
    return input.logSoftmax(this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The softmax of −x along a dimension: the smallest elements get the largest shares. Any shape. */
export class Softmin extends Module {
  /** The dimension whose elements sum to 1. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  override forward(input: Tensor): Tensor {
    return input.neg().softmax(this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
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
