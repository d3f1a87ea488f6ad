import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { normalize } from './functional/vectors.js';
import { initEnabled } from './init-switch.js';
import type { Module } from './module.js';
import { Parametrization, registerParametrization } from './parametrize.js';

// Classes have the names of torch.nn.utils.parametrizations, which appear in printed models.
class _WeightNorm extends Parametrization {
  readonly #dim: number;

  constructor(dim: number) {
    super();
    this.#dim = dim;
  }

  override forward(g: Tensor, v: Tensor): Tensor {
    return torch.callOperator('aten::_weight_norm', '', [v, g, this.#dim]) as Tensor;
  }

  override rightInverse(weight: Tensor): Tensor[] {
    const g = torch.callOperator('aten::norm_except_dim', '', [weight, 2, this.#dim]) as Tensor;
    return [g, weight.clone()];
  }
}

/**
 * Splits a weight into length and direction, which are trained separately: w = g · v / ‖v‖ (Salimans and Kingma, arXiv
 * 1602.07868). Keys and values are those of torch.nn.utils.parametrizations.weight_norm.
 *
 * @param name field of the weight. Default `weight`.
 * @param options.dim dimension along which every entry has its own length; −1: one length for all. Default 0.
 * @returns the module
 *
 * @example
 * ```ts
 * const layer = nn.weightNorm(new nn.Linear(20, 30));
 * const y = layer.forward(torch.randn([128, 20])); // [128, 30]
 * ```
 */
export function weightNorm<M extends Module>(
  module: M,
  name = 'weight',
  { dim = 0 }: { dim?: number } = {},
): M {
  return registerParametrization(module, name, new _WeightNorm(dim));
}

class _SpectralNorm extends Parametrization {
  static readonly keys = { u: '_u', v: '_v' };
  readonly #dim: number;
  readonly #eps: number;
  readonly #iterations: number;
  declare u: Tensor;
  declare v: Tensor;

  constructor(weight: Tensor, iterations: number, dim: number, eps: number) {
    super();
    this.#dim = dim < 0 ? dim + weight.ndim : dim;
    this.#eps = eps;
    this.#iterations = iterations;
    if (weight.ndim < 2) return;
    unrecorded(() => {
      const matrix = this.#matrix(weight.detach());
      const place = { dtype: weight.dtype, device: weight.device };
      const [rows, columns] = matrix.shape as [number, number];
      const start = (size: number): Tensor =>
        normalize(torch.empty([size], place).normal_(0, 1), { dim: 0, eps });
      this.registerBuffer('u', start(rows));
      this.registerBuffer('v', start(columns));
      this.#iterate(matrix, 15);
    });
  }

  #matrix(weight: Tensor): Tensor {
    const moved = this.#dim === 0 ? weight : weight.movedim([this.#dim], [0]);
    return moved.flatten(1);
  }

  #iterate(matrix: Tensor, times: number): void {
    if (!initEnabled()) return; // The weight has no values yet, and NaN would stay.
    for (let i = 0; i < times; i++) {
      this.u.copy_(normalize(matrix.mv(this.v), { dim: 0, eps: this.#eps }));
      this.v.copy_(normalize(matrix.t().mv(this.u), { dim: 0, eps: this.#eps }));
    }
  }

  override forward(weight: Tensor): Tensor {
    if (weight.ndim < 2) return normalize(weight, { dim: 0, eps: this.#eps });
    const matrix = this.#matrix(weight);
    if (this.training) {
      unrecorded(() => {
        this.#iterate(matrix.detach(), this.#iterations);
      });
    }
    // Copied because the next forward overwrites the buffers, which backward may still need.
    const sigma = torch.vdot(this.u.clone(), matrix.mv(this.v.clone()));
    return weight.div(sigma);
  }

  override rightInverse(weight: Tensor): Tensor {
    return weight.clone();
  }
}

export interface SpectralNormOptions {
  /** Steps of power iteration in every forward in training. Default 1. */
  iterations?: number;
  /** Dimension of the outputs. Default 0; transposed convolutions: 1. */
  dim?: number;
  /** Default 1e-12. */
  eps?: number;
}

/**
 * Divides a weight by its largest singular value (Miyato et al., arXiv 1802.05957), computed by power iteration. Keys
 * and values are those of torch.nn.utils.parametrizations.spectral_norm.
 *
 * @param name field of the weight. Default `weight`.
 * @returns the module
 *
 * @example
 * ```ts
 * const layer = nn.spectralNorm(new nn.Conv2d(3, 64, 3, { padding: 1 }));
 * const y = layer.forward(torch.randn([2, 3, 8, 8])); // [2, 64, 8, 8]
 * ```
 */
export function spectralNorm<M extends Module>(
  module: M,
  name = 'weight',
  options: SpectralNormOptions = {},
): M {
  const { iterations = 1, eps = 1e-12 } = options;
  const dim = options.dim ?? (module.constructor.name.startsWith('ConvTranspose') ? 1 : 0);
  const weight: unknown = Reflect.get(module, name);
  if (!(weight instanceof torch.Tensor))
    throw new torch.ArgumentError(`${module.constructor.name} has no parameter in a field '${name}'`);
  return registerParametrization(module, name, new _SpectralNorm(weight, iterations, dim, eps));
}
