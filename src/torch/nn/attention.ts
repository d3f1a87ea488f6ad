import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { scaledDotProductAttention } from './functional/vectors.js';
import * as init from './init.js';
import { emptyParameter, factoryOptions, Linear } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

export interface MultiheadAttentionOptions extends FactoryOptions {
  /** Dropout of the attention weights in training. Default 0. */
  dropout?: number;
  /** Default true. */
  bias?: boolean;
  /** Width of keys. Default: that of queries. */
  kdim?: number;
  /** Width of values. Default: that of queries. */
  vdim?: number;
  /** True if inputs are [B, L, E]; otherwise they are [L, B, E]. Default false. */
  batchFirst?: boolean;
}

export interface AttentionCall {
  /** Keys to ignore: boolean [B, S], true for ignored keys; or numbers added to the scores. */
  keyPaddingMask?: Tensor | null;
  /** [L, S] or [B · heads, L, S]: boolean, true where a query may not attend; or numbers added to the scores. */
  attnMask?: Tensor | null;
  /** Restrict query i to keys 0 to i; use instead of `attnMask`. Default false. */
  isCausal?: boolean;
  /** Return the attention weights too; without them the faster kernels run. Default true. */
  needWeights?: boolean;
  /** Average the weights over heads. Default true. */
  averageAttnWeights?: boolean;
}

// torch.nn's name for a Linear that is excluded from quantization; it appears in printed models.
class NonDynamicallyQuantizableLinear extends Linear {}

/**
 * Multi-head attention (Vaswani et al., arXiv 1706.03762), with the weights of torch.nn.MultiheadAttention.
 *
 * @example
 * ```ts
 * const attention = new nn.MultiheadAttention(64, 8, { batchFirst: true });
 * const x = torch.randn([2, 10, 64]);
 * const [y, weights] = attention.forward(x, x, x, { isCausal: true }); // [2, 10, 64], [2, 10, 10]
 * ```
 */
export class MultiheadAttention extends Module {
  /** Width E of queries and results. */
  readonly embedDim: number;
  /** Number of heads; each is E / heads wide. */
  readonly numHeads: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  /** Weight of the queries, [E, E], if keys or values have a different width; otherwise null. */
  qProjWeight: Parameter | null = null;
  /** Weight of the keys, [E, kdim], if keys or values have a different width; otherwise null. */
  kProjWeight: Parameter | null = null;
  /** Weight of the values, [E, vdim], if keys or values have a different width; otherwise null. */
  vProjWeight: Parameter | null = null;
  /** Weights of queries, keys and values, concatenated: [3 E, E]; null if their widths differ. */
  inProjWeight: Parameter | null = null;
  /** Biases of queries, keys and values: [3 E], or null without biases. */
  inProjBias: Parameter | null = null;
  /** Projects the concatenated results of the heads to the output: E to E. */
  readonly outProj: Linear;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    if (!(numHeads > 0) || embedDim % numHeads !== 0) {
      throw new torch.ArgumentError(
        `MultiheadAttention: ${embedDim} dimensions are not divisible into ${numHeads} heads`,
      );
    }
    const { kdim = embedDim, vdim = embedDim, bias = true } = options;
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = options.dropout ?? 0;
    this.batchFirst = options.batchFirst ?? false;
    if (kdim === embedDim && vdim === embedDim) {
      this.inProjWeight = emptyParameter([3 * embedDim, embedDim], options);
    } else {
      this.qProjWeight = emptyParameter([embedDim, embedDim], options);
      this.kProjWeight = emptyParameter([embedDim, kdim], options);
      this.vProjWeight = emptyParameter([embedDim, vdim], options);
    }
    if (bias) this.inProjBias = emptyParameter([3 * embedDim], options);
    this.outProj = new NonDynamicallyQuantizableLinear(embedDim, embedDim, {
      ...factoryOptions(options),
      bias,
    });
    for (const weight of [this.inProjWeight, this.qProjWeight, this.kProjWeight, this.vProjWeight]) {
      if (weight !== null) init.xavierUniform_(weight);
    }
    for (const shift of [this.inProjBias, this.outProj.bias]) if (shift !== null) init.zeros_(shift);
  }

  /**
   * @param query [L, B, E], or [B, L, E] with `batchFirst`; without B too
   * @param key [S, B, kdim]
   * @param value [S, B, vdim]
   * @returns the output, of the query's shape, and the weights: [B, L, S], [B, heads, L, S] for each head, or null
   */
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: AttentionCall = {},
  ): [Tensor, Tensor | null] {
    const { needWeights = true, averageAttnWeights = true } = options;
    const batched = query.ndim === 3;
    const inputs = [query, key, value].map((x) => {
      if (!batched) return x.unsqueeze(0);
      return this.batchFirst ? x : x.transpose(0, 1);
    }); // [B, L, E], [B, S, kdim], [B, S, vdim]
    const [q, k, v] = this.#project(inputs).map((x) => this.#split(x)) as [Tensor, Tensor, Tensor]; // [B, heads, L, E / heads]
    const mask = this.#mask(q, k, options, batched);
    const dropoutP = this.training ? this.dropout : 0;
    let heads: Tensor;
    let weights: Tensor | null = null;
    if (needWeights) {
      let scores = q.mul(Math.sqrt(this.numHeads / this.embedDim)).matmul(k.transpose(-2, -1)); // [B, heads, L, S]
      if (mask !== null) scores = scores.add(mask);
      weights = torch.dropout(scores.softmax(-1), dropoutP, this.training);
      heads = weights.matmul(v);
      if (averageAttnWeights) weights = weights.mean([1]);
      if (!batched) weights = weights.squeeze(0);
    } else {
      heads = scaledDotProductAttention(q, k, v, { attnMask: mask, dropoutP });
    }
    const output = this.outProj.forward(heads.transpose(1, 2).flatten(2)); // [B, L, E]
    if (!batched) return [output.squeeze(0), weights];
    return [this.batchFirst ? output : output.transpose(0, 1), weights];
  }

  #project(inputs: readonly Tensor[]): Tensor[] {
    const weights = this.inProjWeight?.chunk(3, 0) ?? [this.qProjWeight, this.kProjWeight, this.vProjWeight];
    const biases = this.inProjBias?.chunk(3, 0);
    return inputs.map((x, i) => torch.linear(x, weights[i] as Tensor, biases?.[i] ?? null));
  }

  #split(x: Tensor): Tensor {
    const [batch = 0, length = 0] = x.shape;
    return x.view([batch, length, this.numHeads, this.embedDim / this.numHeads]).transpose(1, 2);
  }

  /** Merges both masks into one of numbers to add to the scores; broadcasts to [B, heads, L, S]. */
  #mask(q: Tensor, k: Tensor, options: AttentionCall, batched: boolean): Tensor | null {
    const { keyPaddingMask = null, attnMask = null, isCausal = false } = options;
    const [batch = 0, heads = 0, length = 0] = q.shape;
    const keys = k.shape[2] ?? 0;
    const numbers = (mask: Tensor): Tensor =>
      mask.dtype === 'bool'
        ? torch.zeros(mask.shape, { dtype: q.dtype, device: q.device }).maskedFill(mask, -Infinity)
        : mask.to(q.dtype);
    const masks: Tensor[] = [];
    if (isCausal && attnMask === null) {
      const all = torch.ones([length, keys], { dtype: 'bool', device: q.device });
      masks.push(numbers(all.triu(1)));
    }
    if (attnMask !== null) {
      const mask = numbers(attnMask);
      masks.push(mask.ndim === 3 ? mask.view([batch, heads, length, keys]) : mask);
    }
    if (keyPaddingMask !== null) {
      const mask = numbers(keyPaddingMask);
      masks.push((batched ? mask : mask.unsqueeze(0)).view([batch, 1, 1, keys]));
    }
    const [first = null, second] = masks;
    return second === undefined ? first : (first as Tensor).add(second);
  }
}
