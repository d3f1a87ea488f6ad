/** Interface between samplers and token models. Shapes: B rows, T tokens, E width, V ids, H heads, D width of a head. */
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import type { AnyCache, CacheAt, KeyValueCache } from './key-value-cache.js';

/** Weight, bias and epsilon of a layer norm; null weight or bias if it has none. */
export interface Norm {
  weight: Tensor | null;
  bias: Tensor | null;
  eps: number;
}

export interface PriorForwardOptions {
  /** Continuous vectors prepended to the tokens: `[B, N, E]`. */
  embeddings?: Tensor | null;
  /** Cache of earlier positions, to which the new ones are added. Inference only. */
  cache?: AnyCache | null;
  /** If true, compute logits for the last position only: `[B, 1, V]`. */
  lastOnly?: boolean;
  /** Compute logits for one position of each row only, counted with the embeddings: int64 `[B]` → logits `[B, 1, V]`. */
  at?: Tensor | null;
}

/** A pre-norm block with GELU between two linear layers, in the form the fused decode kernels take. */
export interface DecodeBlock {
  ln1: Norm;
  proj: nn.Affine;
  ln2: Norm;
  widen: nn.Affine;
  narrow: nn.Affine;
  /** Runs the block with regular operators: x `[B, 1, E]` → `[B, 1, E]`. */
  forward(x: Tensor, cache: CacheAt): Tensor;
}

/** A model that the fused decode kernels can run. */
export interface DecodeModel {
  nHead: number;
  tokens: Tensor; // [V, E]
  positions: Tensor; // [1, T, E]
  blocks: DecodeBlock[];
  norm: Norm;
  head: nn.Affine;
}

/**
 * An autoregressive model of token sequences, which a second stage is built with, trains and draws from. To train it with the
 * command line, its schema takes `vocabSize` and `blockSize`, which the first stage and the condition decide.
 */
export interface Prior extends nn.Module {
  /** Number of token ids V: logits are `[…, V]`. */
  readonly vocabSize: number;
  /** Maximum number of positions: embeddings, conditions and tokens. */
  readonly blockSize: number;
  /** Number of leading positions that attend to each other in both directions; a cache cannot grow within them. */
  readonly nUnmasked: number;
  /** Only ids below this number are drawn. It is `vocabSize` until a `Net2NetTransformer` sets the codes of its first stage. */
  nCodes: number;
  /** Width E of prepended embeddings. Undefined for models that take none. */
  readonly nEmbd?: number;
  /** Blocks one after another, each of which activation checkpointing may compute again. Default: none. */
  readonly blocks?: Iterable<nn.Module>;
  /** Maps token ids `[B, T]` int64 to logits `[B, N + T, V]`, with N prepended embeddings. */
  forward(tokens: Tensor, options?: PriorForwardOptions): Tensor;
  /** Returns the weights that weight decay applies to. Default: those of its linear layers. */
  decayedWeights?(): Iterable<nn.Parameter>;
  /**
   * Creates an empty cache; `capacity` defaults to `blockSize`. Undefined for models without attention: samplers then give
   * the whole sequence for each token.
   */
  createCache?(batch: number, capacity?: number): KeyValueCache;
  /**
   * Returns the concatenated query, key and value weights of each layer as new tensors, for `KeyValueCache.at`. Models with
   * `createCache` have it.
   */
  qkv?(): nn.Affine[];
  /** Returns the weights for the fused decode kernels. Undefined for models the kernels do not support. */
  decodeModel?(): DecodeModel;
}
