import * as torch from '../../index.js';
import type { Generator, Tensor } from '../../index.js';

export interface AttentionOptions {
  /** Boolean (true for keys that may be attended to), or added to the scores; broadcast to [..., L, S]. */
  attnMask?: Tensor | null;
  dropoutP?: number;
  /** Restrict query i to keys 0 to i. */
  isCausal?: boolean;
  /** Default 1 / √(dimensions of the query). */
  scale?: number | null;
}

/**
 * Returns softmax(q kᵀ · scale + mask) v, for q [..., L, E], k [..., S, E], v [..., S, V]: [..., L, V].
 *
 * @example
 * ```ts
 * const [q, k, v] = [torch.randn([2, 8, 10, 64]), torch.randn([2, 8, 12, 64]), torch.randn([2, 8, 12, 32])];
 * const y = F.scaledDotProductAttention(q, k, v); // [2, 8, 10, 32]
 * ```
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const { attnMask = null, dropoutP = 0, isCausal = false, scale = null } = options;
  if (scale === null) return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal);
  return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal, { scale });
}

export interface GumbelSoftmaxOptions {
  /** Temperature. Default 1. */
  tau?: number;
  /** One-hot output with the gradient of the soft one. Default false. */
  hard?: boolean;
  /** Default −1. */
  dim?: number;
  generator?: Generator;
}

/**
 * Draws a differentiable sample of softmax(logits) (Jang et al., arXiv 1611.01144).
 *
 * @example
 * ```ts
 * const sample = F.gumbelSoftmax(torch.randn([4, 10]), { tau: 0.5, hard: true }); // [4, 10]
 * const ones = sample.sum([-1]).tolist(); // [1, 1, 1, 1]
 * ```
 */
export function gumbelSoftmax(logits: Tensor, options: GumbelSoftmaxOptions = {}): Tensor {
  const { tau = 1, hard = false, dim = -1, generator } = options;
  return torch.scope(() => {
    const noise = logits
      .emptyLike({ memoryFormat: 'contiguous_format' })
      .exponential_(1, { generator: generator ?? null })
      .log()
      .neg();
    const soft = logits.add(noise).div(tau).softmax(dim);
    if (!hard) return soft;
    const index = soft.argmax(dim, true);
    const oneHotLike = logits.zerosLike({ memoryFormat: 'contiguous_format' }).scatter_(dim, index, 1);
    return oneHotLike.sub(soft.detach()).add(soft);
  });
}

/**
 * Converts int64 [...] to int64 [..., classes], with 1 at the index.
 *
 * @example
 * ```ts
 * const rows = F.oneHot(torch.tensor([2n, 0n]), 3).tolist(); // [[0, 0, 1], [1, 0, 0]]
 * ```
 */
export function oneHot(indices: Tensor, numClasses = -1): Tensor {
  return torch.oneHot(indices, numClasses);
}

/**
 * Scales vectors to length 1 along `dim`: x / max(‖x‖, eps).
 *
 * @example
 * ```ts
 * const unit = F.normalize(torch.tensor([[3, 4]])).tolist(); // [[0.6, 0.8]]
 * ```
 */
export function normalize(
  input: Tensor,
  { p = 2, dim = 1, eps = 1e-12 }: { p?: number; dim?: number; eps?: number } = {},
): Tensor {
  return torch.scope(() => input.div(torch.linalgVectorNorm(input, p, [dim], true).clampMin(eps)));
}

/**
 * Returns the cosine of the angle between vectors along `dim`.
 *
 * @example
 * ```ts
 * const cosine = F.cosineSimilarity(torch.tensor([1, 0]), torch.tensor([1, 1]), { dim: -1 }).item(); // 0.71
 * ```
 */
export function cosineSimilarity(
  x1: Tensor,
  x2: Tensor,
  { dim = 1, eps = 1e-8 }: { dim?: number; eps?: number } = {},
): Tensor {
  return torch.cosineSimilarity(x1, x2, dim, eps);
}

/**
 * Returns the norm of the difference along the last dimension, with `eps` added to each of its elements.
 *
 * @example
 * ```ts
 * const distance = F.pairwiseDistance(torch.tensor([3, 0]), torch.tensor([0, 4])).item(); // 5
 * ```
 */
export function pairwiseDistance(
  x1: Tensor,
  x2: Tensor,
  { p = 2, eps = 1e-6, keepdim = false }: { p?: number; eps?: number; keepdim?: boolean } = {},
): Tensor {
  return torch.pairwiseDistance(x1, x2, p, eps, keepdim);
}
