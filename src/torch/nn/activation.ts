import * as torch from '../index.js';
import { ShapeError } from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { Overwriting } from './overwriting.js';
import type { InplaceOptions } from './overwriting.js';

/**
 * The positive part: max(x, 0) of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.ReLU().forward(torch.tensor([-1, 0, 2])).tolist(); // [0, 0, 2]
 * ```
 */
export class ReLU extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu_() : input.relu();
  }
}

/**
 * x if positive, otherwise slope · x.
 *
 * @example
 * ```ts
 * const y = new nn.LeakyReLU(0.1).forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.1, 0, 2]
 * ```
 */
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

/**
 * x · sigmoid(x), also called swish.
 *
 * @example
 * ```ts
 * const y = new nn.SiLU().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.27, 0, 1.76]
 * ```
 */
export class SiLU extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.silu_() : input.silu();
  }
}

/**
 * x · Φ(x), where Φ is the normal distribution's cumulative function, or its tanh approximation.
 *
 * @example
 * ```ts
 * const y = new nn.GELU({ approximate: 'tanh' }).forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.16, 0, 1.95]
 * ```
 */
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

/**
 * 1 / (1 + e⁻ˣ). Any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Sigmoid().forward(torch.tensor([-1, 0, 2])).tolist(); // [0.27, 0.5, 0.88]
 * ```
 */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return input.sigmoid();
  }
}

/**
 * The hyperbolic tangent. Any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Tanh().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.76, 0, 0.96]
 * ```
 */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return input.tanh();
  }
}

/** Base class of activations along a dimension. */
abstract class AlongDimension extends Module {
  /** The dimension whose elements then sum to 1, or that is halved. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/**
 * eˣ divided by its sum along a dimension: positive, with sum 1. Any shape.
 *
 * @example
 * ```ts
 * const shares = new nn.Softmax(-1).forward(torch.randn([2, 10])); // [2, 10]
 * const sums = shares.sum([-1]).tolist(); // [1, 1]
 * ```
 */
export class Softmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.softmax(this.dim);
  }
}

/**
 * The logarithm of the softmax along a dimension, computed stably. Any shape.
 *
 * @example
 * ```ts
 * const logShares = new nn.LogSoftmax(-1).forward(torch.tensor([2, 2])).tolist(); // [-0.69, -0.69]
 * ```
 */
export class LogSoftmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.logSoftmax(this.dim);
  }
}

/**
 * The softmax of −x along a dimension: the smallest elements get the largest shares. Any shape.
 *
 * @example
 * ```ts
 * const shares = new nn.Softmin(-1).forward(torch.tensor([1, 2])).tolist(); // [0.73, 0.27]
 * ```
 */
export class Softmin extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return input.neg().softmax(this.dim);
  }
}

/**
 * log(sigmoid(x)), accurate for large negative x. Any shape.
 *
 * @example
 * ```ts
 * const y = new nn.LogSigmoid().forward(torch.tensor([-100, 0])).tolist(); // [-100, -0.69]
 * ```
 */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return torch.logSigmoid(input);
  }
}

/**
 * The softmax over the channels of [B, C, H, W] or [C, H, W], at every position.
 *
 * @example
 * ```ts
 * const shares = new nn.Softmax2d().forward(torch.randn([2, 5, 8, 8])); // [2, 5, 8, 8]
 * ```
 */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.ndim === 3 || input.ndim === 4) return input.softmax(-3);
    throw new ShapeError(`Softmax2d expects [B, C, H, W] or [C, H, W], not [${input.shape.join(', ')}]`);
  }
}

/**
 * Multiplies the first half of a dimension by the sigmoid of the second (Dauphin et al., arXiv 1612.08083).
 *
 * @example
 * ```ts
 * const y = new nn.GLU(1).forward(torch.randn([2, 64, 8])); // [2, 32, 8]
 * ```
 */
export class GLU extends AlongDimension {
  constructor(dim = -1) {
    super(dim);
  }

  override forward(input: Tensor): Tensor {
    return input.glu(this.dim);
  }
}

export type { AlongDimension };
