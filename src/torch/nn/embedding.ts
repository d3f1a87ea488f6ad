import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as init from './init.js';
import { emptyParameter } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

export interface EmbeddingOptions extends FactoryOptions {
  /**
   * Index of a vector that is initialised to zeros and not trained; negative ones count from the end. Default: none.
   */
  paddingIdx?: number | null;
}

/** Base class of `Embedding` and `EmbeddingBag`. */
abstract class EmbeddingTable extends Module {
  /** Number of vectors. */
  readonly numEmbeddings: number;
  /** Elements of each vector. */
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  /** The table: [numEmbeddings, embeddingDim]. */
  weight: Parameter;

  constructor(layer: string, numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions) {
    super();
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    const padding = rowAt(layer, options.paddingIdx, numEmbeddings);
    this.paddingIdx = padding;
    this.weight = emptyParameter([numEmbeddings, embeddingDim], options);
    init.normal_(this.weight);
    if (padding !== null) torch.scope(() => init.zeros_(this.weight.detach().select(0, padding)));
  }

  /** Returns the sizes, the settings of the class and, if there is one, the padding. */
  protected override extraRepr(settings = ''): string {
    const padding = this.paddingIdx === null ? '' : `, padding_idx=${this.paddingIdx}`;
    return `${this.numEmbeddings}, ${this.embeddingDim}${settings}${padding}`;
  }
}

function rowAt(layer: string, index: number | null | undefined, count: number): number | null {
  if (index === null || index === undefined) return null;
  if (!(Number.isInteger(index) && index >= -count && index < count)) {
    throw new torch.ArgumentError(`${layer}: paddingIdx ${index} is out of range for ${count} vectors`);
  }
  return index < 0 ? count + index : index;
}

/**
 * A table of vectors looked up by integers; `weight` is [number of vectors, dimensions].
 *
 * @example
 * ```ts
 * const y = new nn.Embedding(1000, 64).forward(torch.tensor([[1n, 5n, 2n]])); // [1, 3, 64]
 * ```
 */
export class Embedding extends EmbeddingTable {
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super('Embedding', numEmbeddings, embeddingDim, options);
  }

  /** @param indices int64 of any shape, each at least 0 and below the number of vectors */
  override forward(indices: Tensor): Tensor {
    if (this.paddingIdx === null) return torch.embedding(this.weight, indices); // [..., dimensions]
    return torch.embedding(this.weight, indices, this.paddingIdx); // [..., dimensions]
  }
}

export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** The way in which the vectors of a bag are combined. Default `mean`. */
  mode?: 'sum' | 'mean' | 'max';
}

/**
 * Sums, means or maxima of embedding vectors, one for each bag of indices.
 *
 * @example
 * ```ts
 * const bags = new nn.EmbeddingBag(1000, 64, { mode: 'sum' });
 * const indices = torch.tensor([1n, 5n, 2n, 4n]);
 * const sums = bags.forward(indices, torch.tensor([0n, 3n])); // [2, 64]
 * ```
 */
export class EmbeddingBag extends EmbeddingTable {
  readonly mode: 'sum' | 'mean' | 'max';

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingBagOptions = {}) {
    super('EmbeddingBag', numEmbeddings, embeddingDim, options);
    this.mode = options.mode ?? 'mean';
  }

  /**
   * @param indices int64 [bags, size], or [n] with `offsets`
   * @param offsets where each bag starts in `indices`: int64 [bags]
   * @param perSampleWeights factors of the vectors, of the shape of `indices`; for sums only
   */
  override forward(
    indices: Tensor,
    offsets: Tensor | null = null,
    perSampleWeights: Tensor | null = null,
  ): Tensor {
    const [bags = 0, size = 0] = indices.shape;
    if (indices.ndim === 2 ? offsets !== null : offsets === null || indices.ndim !== 1) {
      throw new torch.ArgumentError('EmbeddingBag takes indices [bags, size], or [n] with offsets');
    }
    const starts =
      offsets ?? torch.arange(0, bags * size, Math.max(size, 1), { dtype: 'int64', device: indices.device });
    const mode = { sum: 0, mean: 1, max: 2 }[this.mode];
    const factors = perSampleWeights?.flatten() ?? null;
    const { weight, paddingIdx } = this;
    const args = [weight, indices.flatten(), starts, false, mode, false, factors, false, paddingIdx];
    return (torch.callOperator('aten::embedding_bag', 'padding_idx', args) as Tensor[])[0] as Tensor; // [bags, dimensions]
  }

  protected override extraRepr(): string {
    return super.extraRepr(`, mode='${this.mode}'`);
  }
}

export type { EmbeddingTable };
