import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as init from './init.js';
import { emptyParameter } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import { Overwriting } from './overwriting.js';
import type { InplaceOptions } from './overwriting.js';
import type { Parameter } from './parameter.js';
import { pythonFloat } from './sizes.js';

/**
 * A piecewise linear sigmoid: min(max(x + 3, 0), 6) / 6 of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Hardsigmoid().forward(torch.tensor([-4, 0, 4])).tolist(); // [0, 0.5, 1]
 * ```
 */
export class Hardsigmoid extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.hardsigmoid_() : input.hardsigmoid();
  }

  protected override extraRepr(): string {
    return '';
  }
}

/**
 * The positive part, at most 6: min(max(x, 0), 6) of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.ReLU6().forward(torch.tensor([-1, 3, 8])).tolist(); // [0, 3, 6]
 * ```
 */
export class ReLU6 extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu6_() : input.relu6();
  }
}

/**
 * Limits x to [min, max].
 *
 * @example
 * ```ts
 * const y = new nn.Hardtanh().forward(torch.tensor([-3, 0.5, 3])).tolist(); // [-1, 0.5, 1]
 * ```
 */
export class Hardtanh extends Overwriting {
  /** Smallest value of the result. */
  readonly min: number;
  /** Largest value of the result. */
  readonly max: number;

  constructor(min = -1, max = 1, options: InplaceOptions = {}) {
    super(options);
    this.min = min;
    this.max = max;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.hardtanh_(this.min, this.max) : input.hardtanh(this.min, this.max);
  }

  protected override extraRepr(): string {
    return this.withInplace(`min_val=${pythonFloat(this.min)}, max_val=${pythonFloat(this.max)}`);
  }
}

/**
 * Returns x if it is above the threshold, otherwise the value.
 *
 * @example
 * ```ts
 * const y = new nn.Threshold(0.5, -1).forward(torch.tensor([0.2, 0.75])).tolist(); // [-1, 0.75]
 * ```
 */
export class Threshold extends Overwriting {
  /** Elements above it are kept. */
  readonly threshold: number;
  /** The value of all other elements. */
  readonly value: number;

  constructor(threshold: number, value: number, options: InplaceOptions = {}) {
    super(options);
    this.threshold = threshold;
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    const { threshold, value } = this;
    return this.inplace ? input.threshold_(threshold, value) : input.threshold(threshold, value);
  }

  protected override extraRepr(): string {
    return this.withInplace(`threshold=${this.threshold}, value=${this.value}`);
  }
}

/** Base class of activations that set small elements to 0. */
abstract class Shrinking extends Module {
  /** Elements of at most this magnitude become 0. */
  readonly lambda: number;

  constructor(lambda = 0.5) {
    super();
    this.lambda = lambda;
  }

  protected override extraRepr(): string {
    return String(this.lambda);
  }
}

/**
 * Returns x, or 0 if x is in [−lambda, lambda].
 *
 * @example
 * ```ts
 * const y = new nn.Hardshrink().forward(torch.tensor([-0.4, 0.75])).tolist(); // [0, 0.75]
 * ```
 */
export class Hardshrink extends Shrinking {
  override forward(input: Tensor): Tensor {
    return input.hardshrink(this.lambda);
  }
}

/**
 * Moves x towards 0 by lambda, at most to 0.
 *
 * @example
 * ```ts
 * const y = new nn.Softshrink().forward(torch.tensor([-0.4, 0.75])).tolist(); // [0, 0.25]
 * ```
 */
export class Softshrink extends Shrinking {
  override forward(input: Tensor): Tensor {
    return input.softshrink(this.lambda);
  }
}

/**
 * x if positive, otherwise weight · x, with one trained weight, or one per channel (He et al., arXiv 1502.01852).
 *
 * @example
 * ```ts
 * const y = new nn.PReLU(64).forward(torch.randn([2, 64, 8, 8])); // [2, 64, 8, 8]
 * ```
 */
export class PReLU extends Module {
  /** 1, or the number of channels for a slope per channel. */
  readonly numParameters: number;
  /** Slopes of negative elements: [numParameters]. */
  weight: Parameter;

  constructor(numParameters = 1, options: FactoryOptions & { init?: number } = {}) {
    super();
    this.numParameters = numParameters;
    this.weight = emptyParameter([numParameters], options);
    init.constant_(this.weight, options.init ?? 0.25);
  }

  override forward(input: Tensor): Tensor {
    return torch.prelu(input, this.weight);
  }

  protected override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}

/**
 * Leaky ReLU whose slope is drawn for each negative element in training, and is the middle of the range in evaluation
 * (arXiv 1505.00853). Any shape.
 *
 * @example
 * ```ts
 * const y = new nn.RReLU(0.1, 0.3).eval().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.2, 0, 2]
 * ```
 */
export class RReLU extends Overwriting {
  /** Smallest slope. */
  readonly lower: number;
  /** Largest slope. */
  readonly upper: number;

  constructor(lower = 1 / 8, upper = 1 / 3, options: InplaceOptions = {}) {
    super(options);
    this.lower = lower;
    this.upper = upper;
  }

  override forward(input: Tensor): Tensor {
    const { lower, upper, training } = this;
    return this.inplace ? input.rrelu_(lower, upper, training) : input.rrelu(lower, upper, training);
  }

  protected override extraRepr(): string {
    return this.withInplace(`lower=${this.lower}, upper=${this.upper}`);
  }
}

export type { Shrinking };
