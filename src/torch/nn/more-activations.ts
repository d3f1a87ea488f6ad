import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { Overwriting } from './overwriting.js';
import type { InplaceOptions } from './overwriting.js';
import { pythonFloat } from './sizes.js';

/**
 * SiLU with a piecewise linear sigmoid: x · min(max(x + 3, 0), 6) / 6 of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Hardswish().forward(torch.tensor([-4, 1.5, 4])).tolist(); // [0, 1.125, 4]
 * ```
 */
export class Hardswish extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.hardswish_() : input.hardswish();
  }

  protected override extraRepr(): string {
    return '';
  }
}

/**
 * x · tanh(softplus(x)) (Misra, arXiv 1908.08681).
 *
 * @example
 * ```ts
 * const y = new nn.Mish().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.3, 0, 1.94]
 * ```
 */
export class Mish extends Overwriting {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.mish_() : input.mish();
  }
}

/**
 * ELU with the factors of self-normalising networks (Klambauer et al., arXiv 1706.02515).
 *
 * @example
 * ```ts
 * const y = new nn.SELU().forward(torch.tensor([-1, 0, 2])).tolist(); // [-1.11, 0, 2.1]
 * ```
 */
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

/**
 * x if positive, otherwise alpha · (eˣ − 1) (Clevert et al., arXiv 1511.07289).
 *
 * @example
 * ```ts
 * const y = new nn.ELU().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.63, 0, 2]
 * ```
 */
export class ELU extends Exponential {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.elu_(this.alpha) : input.elu(this.alpha);
  }
}

/**
 * max(x, 0) + min(0, alpha · (exp(x / alpha) − 1)) (Barron, arXiv 1704.07483).
 *
 * @example
 * ```ts
 * const y = new nn.CELU(2).forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.79, 0, 2]
 * ```
 */
export class CELU extends Exponential {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.celu_(this.alpha) : input.celu(this.alpha);
  }
}

/**
 * log(1 + exp(beta · x)) / beta, or x if beta · x is above the threshold.
 *
 * @example
 * ```ts
 * const y = new nn.Softplus().forward(torch.tensor([-1, 0, 30])).tolist(); // [0.31, 0.69, 30]
 * ```
 */
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

/**
 * The softsign: x / (1 + |x|) of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Softsign().forward(torch.tensor([-1, 0, 3])).tolist(); // [-0.5, 0, 0.75]
 * ```
 */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return input.div(input.abs().add(1));
  }
}

/**
 * x − tanh(x) of every element; any shape.
 *
 * @example
 * ```ts
 * const y = new nn.Tanhshrink().forward(torch.tensor([-1, 0, 2])).tolist(); // [-0.24, 0, 1.04]
 * ```
 */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return input.sub(input.tanh());
  }
}

export type { Exponential };
