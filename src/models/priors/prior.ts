/** What a sampler asks of a model of token sequences. Shapes: B rows, T tokens, E width, V ids, H heads, D width of a head. */
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import type { CacheAt, KeyValueCache } from './key-value-cache.js';

/** Weights of a product; those of a row lie next to each other. */
export interface Affine {
  weight: Tensor; // [outputs, inputs]
  bias: Tensor | null; // [outputs]
}

/** Weights of a layer norm. */
export interface Norm {
  weight: Tensor | null;
  bias: Tensor | null;
  eps: number;
}

export interface PriorForwardOptions {
  /** Continuous vectors put before the tokens: `[B, N, E]`. */
  embeddings?: Tensor | null;
  /** Positions seen earlier; the new ones are added to it. Inference only. */
  cache?: KeyValueCache | CacheAt | null;
  /** Compute logits for the last position only: `[B, 1, V]`. */
  lastOnly?: boolean;
}

/** A pre-norm block with GELU between two linear layers, as the fused decode kernels take it. */
export interface DecodeBlock {
  ln1: Norm;
  proj: Affine;
  ln2: Norm;
  widen: Affine;
  narrow: Affine;
  /** Runs the block by operators: x `[B, 1, E]` → `[B, 1, E]`. */
  forward(x: Tensor, cache: CacheAt): Tensor;
}

/** A model that the fused decode kernels can run. */
export interface DecodeModel {
  nHead: number;
  tokens: Tensor; // [V, E]
  positions: Tensor; // [1, T, E]
  blocks: DecodeBlock[];
  norm: Norm;
  head: Affine;
}

/** A model of sequences of token ids, each drawn after those before it. */
export interface Prior extends nn.Module {
  /** Number of token ids. */
  readonly vocabSize: number;
  /** Longest sequence. */
  readonly blockSize: number;
  /** The first so many positions see each other in both directions; a cache cannot grow inside them. */
  readonly nUnmasked: number;
  /** Only ids below it are drawn. */
  readonly nCodes: number;
  /** Token ids `[B, T]` int64 → logits `[B, N + T, V]`, of N embeddings put before. */
  forward(tokens: Tensor, options?: PriorForwardOptions): Tensor;
  /** Makes an empty cache; `capacity` defaults to `blockSize`. */
  createCache(batch: number, capacity?: number): KeyValueCache;
  /** Query, key and value weights of each layer side by side, new tensors: what `KeyValueCache.at` takes copies of. */
  qkv(): Affine[];
  /** Its weights for the fused decode kernels; left out by a model of another form. */
  decodeModel?(): DecodeModel;
}
