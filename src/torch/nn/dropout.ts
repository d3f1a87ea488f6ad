import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { pythonFloat } from './sizes.js';

/** Zeroes elements with probability p in training, scaling the others by 1 / (1 − p). */
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

/** Zeroes whole channels of [B, C, L] (or [C, L]) as {@link Dropout} does elements. */
export class Dropout1d extends Dropout {
  override forward(input: Tensor): Tensor {
    if (input.ndim === 3) return torch.featureDropout(input, this.p, this.training);
    if (input.ndim !== 2) {
      throw new torch.ShapeError(`Dropout1d expects [B, C, L] or [C, L], not [${input.shape.join(', ')}]`);
    }
    return torch.featureDropout(input.unsqueeze(0), this.p, this.training).squeeze(0);
  }
}

/** Zeroes whole channels of [B, C, H, W] as {@link Dropout} does elements (Tompson et al., arXiv 1411.4280). */
export class Dropout2d extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.featureDropout(input, this.p, this.training);
  }
}

/** Zeroes whole channels of [B, C, D, H, W] as {@link Dropout} does elements. */
export class Dropout3d extends Dropout {
  override forward(input: Tensor): Tensor {
    if (input.ndim === 5) return torch.featureDropout(input, this.p, this.training);
    if (input.ndim !== 4) {
      throw new torch.ShapeError(
        `Dropout3d expects [B, C, D, H, W] or [C, D, H, W], not [${input.shape.join(', ')}]`,
      );
    }
    return torch.featureDropout(input.unsqueeze(0), this.p, this.training).squeeze(0);
  }
}

/** Dropout that keeps mean and variance, for SELU (Klambauer et al., arXiv 1706.02515). */
export class AlphaDropout extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.alphaDropout(input, this.p, this.training);
  }
}

/** {@link AlphaDropout} of whole channels of [B, C, …]. */
export class FeatureAlphaDropout extends Dropout {
  override forward(input: Tensor): Tensor {
    return torch.featureAlphaDropout(input, this.p, this.training);
  }
}
