import type { Tensor } from '../index.js';
import { MultiheadAttention } from './attention.js';
import { Dropout } from './dropout.js';
import { Linear } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import { LayerNorm } from './normalization.js';

export interface TransformerEncoderLayerOptions extends FactoryOptions {
  /** Width of the hidden layer. Default 2048. */
  dimFeedforward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** Default `relu`. */
  activation?: 'relu' | 'gelu';
  /** Default 1e-5. */
  layerNormEps?: number;
  /** True if inputs are [B, L, E]; otherwise they are [L, B, E]. Default false. */
  batchFirst?: boolean;
  /** Normalise before attention and feed-forward part instead of after. Default false. */
  normFirst?: boolean;
  /** Default true. */
  bias?: boolean;
}

/**
 * Self-attention and a feed-forward part with residuals (Vaswani et al., arXiv 1706.03762).
 *
 * @example
 * ```ts
 * const layer = new nn.TransformerEncoderLayer(64, 8, { dimFeedforward: 256, batchFirst: true });
 * const y = layer.forward(torch.randn([2, 10, 64])); // [2, 10, 64]
 * ```
 */
export class TransformerEncoderLayer extends Module {
  /** Self-attention of the sequence. */
  readonly selfAttn: MultiheadAttention;
  /** Feed-forward part: projection to the hidden layer. */
  readonly linear1: Linear;
  readonly dropout: Dropout;
  /** Feed-forward part: projection back. */
  readonly linear2: Linear;
  /** Normalisation of the attention. */
  readonly norm1: LayerNorm;
  /** Normalisation of the feed-forward part. */
  readonly norm2: LayerNorm;
  /** Dropout after the attention. */
  readonly dropout1: Dropout;
  /** Dropout after the feed-forward part. */
  readonly dropout2: Dropout;
  readonly normFirst: boolean;
  readonly activation: 'relu' | 'gelu';

  constructor(dModel: number, numHeads: number, options: TransformerEncoderLayerOptions = {}) {
    super();
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps: eps = 1e-5 } = options;
    this.selfAttn = new MultiheadAttention(dModel, numHeads, { ...options, dropout });
    this.linear1 = new Linear(dModel, dimFeedforward, options);
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, options);
    this.norm1 = new LayerNorm(dModel, { ...options, eps });
    this.norm2 = new LayerNorm(dModel, { ...options, eps });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.normFirst = options.normFirst ?? false;
    this.activation = options.activation ?? 'relu';
  }

  /**
   * @param input [L, B, E], or [B, L, E] with `batchFirst`
   * @param options masks, as for {@link MultiheadAttention}
   */
  override forward(
    input: Tensor,
    options: { attnMask?: Tensor | null; keyPaddingMask?: Tensor | null; isCausal?: boolean } = {},
  ): Tensor {
    const attend = (x: Tensor): Tensor => {
      const [y] = this.selfAttn.forward(x, x, x, { ...options, needWeights: false });
      return this.dropout1.forward(y);
    };
    const feed = (x: Tensor): Tensor => {
      const hidden = this.linear1.forward(x);
      const active = this.activation === 'relu' ? hidden.relu() : hidden.gelu();
      return this.dropout2.forward(this.linear2.forward(this.dropout.forward(active)));
    };
    if (this.normFirst) {
      const x = input.add(attend(this.norm1.forward(input)));
      return x.add(feed(this.norm2.forward(x))); // as the input
    }
    const x = this.norm1.forward(input.add(attend(input)));
    return this.norm2.forward(x.add(feed(x))); // as the input
  }
}
