import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { pythonFloat } from './sizes.js';

/**
 * Zeroes elements with probability p in training, scaling the others by 1 / (1 − p).
 *
 * @example
 * ```ts
 * const dropout = new nn.Dropout(0.1);
 * const y = dropout.forward(torch.randn([4, 64])); // [4, 64]
 * const same = dropout.eval().forward(torch.tensor([1, 2])).tolist(); // [1, 2]
 * ```
 */
export class Dropout extends Module {
  /** The probability of dropping an element in training. */
  readonly p: number;

  constructor(p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new torch.ArgumentError(`${this.constructor.name}: the probability must be in [0, 1], not ${p}`);
    }
    this.p = p;
  }

  override forward(input: Tensor): Tensor {
    return this.training ? torch.dropout(input, this.p, true) : input;
  }

  protected override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=False`;
  }
}

/**
 * Zeroes whole channels of [B, C, L] (or [C, L]) as {@link Dropout} does elements.
 *
 * @example
 * ```ts
 * const y = new nn.Dropout1d(0.1).forward(torch.randn([4, 64, 16])); // [4, 64, 16]
 * ```
 */
export class Dropout1d extends Dropout {
  override forward(input: Tensor): Tensor {
    return dropChannels(this, input, 'Dropout1d', ['C', 'L']);
  }
}

/**
 * Zeroes whole channels of [B, C, H, W] as {@link Dropout} does elements (Tompson et al., arXiv 1411.4280).
 *
 * @example
 * ```ts
 * const y = new nn.Dropout2d(0.1).forward(torch.randn([4, 64, 8, 8])); // [4, 64, 8, 8]
 * ```
 */
export class Dropout2d extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.featureDropout(input, this.p, this.training);
  }
}

/**
 * Zeroes whole channels of [B, C, D, H, W] as {@link Dropout} does elements.
 *
 * @example
 * ```ts
 * const y = new nn.Dropout3d(0.1).forward(torch.randn([4, 8, 4, 6, 6])); // [4, 8, 4, 6, 6]
 * ```
 */
export class Dropout3d extends Dropout {
  override forward(input: Tensor): Tensor {
    return dropChannels(this, input, 'Dropout3d', ['C', 'D', 'H', 'W']);
  }
}

/**
 * Dropout that keeps mean and variance, for SELU (Klambauer et al., arXiv 1706.02515).
 *
 * @example
 * ```ts
 * const layers = new nn.Sequential(new nn.Linear(8, 64), new nn.SELU(), new nn.AlphaDropout(0.1));
 * const y = layers.forward(torch.randn([4, 8])); // [4, 64]
 * ```
 */
export class AlphaDropout extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.alphaDropout(input, this.p, this.training);
  }
}

/**
 * {@link AlphaDropout} of whole channels of [B, C, …].
 *
 * @example
 * ```ts
 * const y = new nn.FeatureAlphaDropout(0.1).forward(torch.randn([4, 64, 8, 8])); // [4, 64, 8, 8]
 * ```
 */
export class FeatureAlphaDropout extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.featureAlphaDropout(input, this.p, this.training);
  }
}

/** Drops channels of an input with or without a batch dimension, of the given dimensions after that. */
function dropChannels({ p, training }: Dropout, input: Tensor, name: string, dims: string[]): Tensor {
  if (input.ndim === dims.length + 1) return torch.featureDropout(input, p, training);
  if (input.ndim === dims.length) return torch.featureDropout(input.unsqueeze(0), p, training).squeeze(0);
  const shape = dims.join(', ');
  throw new torch.ShapeError(`${name} expects [B, ${shape}] or [${shape}], not [${input.shape.join(', ')}]`);
}
