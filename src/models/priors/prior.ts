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

/** An autoregressive model of token sequences. */
export interface Prior extends nn.Module {
  /** Number of token ids V: logits are `[…, V]`. */
  readonly vocabSize: number;
  /** Maximum number of positions: embeddings, conditions and tokens. */
  readonly blockSize: number;
  /** Number of leading positions that attend to each other in both directions; a cache cannot grow within them. */
  readonly nUnmasked: number;
  /** Only ids below this number are drawn. */
  readonly nCodes: number;
  /** Maps token ids `[B, T]` int64 to logits `[B, N + T, V]`, with N prepended embeddings. */
  forward(tokens: Tensor, options?: PriorForwardOptions): Tensor;
  /** Creates an empty cache; `capacity` defaults to `blockSize`. */
  createCache(batch: number, capacity?: number): KeyValueCache;
  /** Returns the concatenated query, key and value weights of each layer as new tensors, for `KeyValueCache.at`. */
  qkv(): nn.Affine[];
  /** Returns the weights for the fused decode kernels. Undefined for models the kernels do not support. */
  decodeModel?(): DecodeModel;
}
