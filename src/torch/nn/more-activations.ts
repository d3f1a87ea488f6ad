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

/** SiLU with a piecewise linear sigmoid: x · min(max(x + 3, 0), 6) / 6 of every element; any shape. */
export class Hardswish extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.hardswish_() : input.hardswish();
  }

  protected override extraRepr(): string {
    return '';
  }
}

/** A piecewise linear sigmoid: min(max(x + 3, 0), 6) / 6 of every element; any shape. */
export class Hardsigmoid extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.hardsigmoid_() : input.hardsigmoid();
  }

  protected override extraRepr(): string {
    return '';
  }
}

/** x · tanh(softplus(x)) (Misra, arXiv 1908.08681). */
export class Mish extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.mish_() : input.mish();
  }
}

/** The positive part, at most 6: min(max(x, 0), 6) of every element; any shape. */
export class ReLU6 extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu6_() : input.relu6();
  }
}

/** ELU with the factors of self-normalising networks (Klambauer et al., arXiv 1706.02515). */
export class SELU extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.selu_() : input.selu();
  }
}

/** Base class of activations that approach −alpha for large negative elements. */
abstract class Exponential extends Overwriting {
  /** The negated limit for large negative elements. */
  readonly alpha: number;

  constructor(alpha = 1, options: InplaceOptions = {}) {
    super(options);
    this.alpha = alpha;
  }

  protected override extraRepr(): string {
    return this.withInplace(`alpha=${pythonFloat(this.alpha)}`);
  }
}

/** x if positive, otherwise alpha · (eˣ − 1) (Clevert et al., arXiv 1511.07289). */
export class ELU extends Exponential {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.elu_(this.alpha) : input.elu(this.alpha);
  }
}

/** max(x, 0) + min(0, alpha · (exp(x / alpha) − 1)) (Barron, arXiv 1704.07483). */
export class CELU extends Exponential {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.celu_(this.alpha) : input.celu(this.alpha);
  }
}

/** Limits x to [min, max]. */
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

/** Returns x if it is above the threshold, otherwise the value. */
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

/** log(1 + exp(beta · x)) / beta, or x if beta · x is above the threshold. */
export class Softplus extends Module {
  /** Sharpness of the bend at 0. */
  readonly beta: number;
  /** Above this value of beta · x the result is x itself. */
  readonly threshold: number;

  constructor(beta = 1, threshold = 20) {
    super();
    this.beta = beta;
    this.threshold = threshold;
  }

  override forward(input: Tensor): Tensor {
    return input.softplus(this.beta, this.threshold);
  }

  protected override extraRepr(): string {
    return `beta=${pythonFloat(this.beta)}, threshold=${pythonFloat(this.threshold)}`;
  }
}

/** The softsign: x / (1 + |x|) of every element; any shape. */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return input.div(input.abs().add(1));
  }
}

/** x − tanh(x) of every element; any shape. */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return input.sub(input.tanh());
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

/** Returns x, or 0 if x is in [−lambda, lambda]. */
export class Hardshrink extends Shrinking {
  override forward(input: Tensor): Tensor {
    return input.hardshrink(this.lambda);
  }
}

/** Moves x towards 0 by lambda, at most to 0. */
export class Softshrink extends Shrinking {
  override forward(input: Tensor): Tensor {
    return input.softshrink(this.lambda);
  }
}

/** Multiplies the first half of a dimension by the sigmoid of the second (Dauphin et al., arXiv 1612.08083). */
export class GLU extends Module {
  /** The dimension that is halved. */
  readonly dim: number;

  constructor(dim = -1) {
    super();
    this.dim = dim;
  }

  override forward(input: Tensor): Tensor {
    return input.glu(this.dim);
  }

  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** x if positive, otherwise weight · x, with one trained weight, or one per channel (He et al., arXiv 1502.01852). */
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

export type { Exponential, Shrinking };
