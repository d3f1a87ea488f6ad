import type { Tensor } from '../index.js';
import { cosineSimilarity, pairwiseDistance } from './functional/vectors.js';
import { Module } from './module.js';

/**
 * {@link cosineSimilarity} as a module.
 *
 * @example
 * ```ts
 * const cosine = new nn.CosineSimilarity(-1).forward(torch.tensor([1, 0]), torch.tensor([1, 1])).item(); // 0.71
 * ```
 */
export class CosineSimilarity extends Module {
  /** The dimension that holds the vectors' elements. */
  readonly dim: number;
  /** Smallest length to divide by. */
  readonly eps: number;

  constructor(dim = 1, { eps = 1e-8 }: { eps?: number } = {}) {
    super();
    this.dim = dim;
    this.eps = eps;
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return cosineSimilarity(x1, x2, { dim: this.dim, eps: this.eps });
  }
}

/**
 * {@link pairwiseDistance} as a module.
 *
 * @example
 * ```ts
 * const distance = new nn.PairwiseDistance().forward(torch.tensor([3, 0]), torch.tensor([0, 4])).item(); // 5
 * ```
 */
export class PairwiseDistance extends Module {
  /** The p of the norm: 2 for the Euclidean norm. */
  readonly p: number;
  /** Added to the differences. */
  readonly eps: number;
  /** True if the last dimension is kept, with size 1. */
  readonly keepdim: boolean;

  constructor(p = 2, { eps = 1e-6, keepdim = false }: { eps?: number; keepdim?: boolean } = {}) {
    super();
    this.p = p;
    this.eps = eps;
    this.keepdim = keepdim;
  }

  override forward(x1: Tensor, x2: Tensor): Tensor {
    return pairwiseDistance(x1, x2, { p: this.p, eps: this.eps, keepdim: this.keepdim });
  }
}
