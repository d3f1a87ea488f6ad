import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as init from './init.js';
import { emptyParameter } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

/** A table of vectors looked up by integers; `weight` is [number of vectors, dimensions]. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  weight: Parameter;

  constructor(numEmbeddings: number, embeddingDim: number, options: FactoryOptions = {}) {
    super();
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.weight = emptyParameter([numEmbeddings, embeddingDim], options);
    init.normal_(this.weight);
  }

  /** @param indices int64 of any shape, each at least 0 and below the number of vectors */
  override forward(indices: Tensor): Tensor {
    return torch.embedding(this.weight, indices); // [..., dimensions]
  }

  protected override extraRepr(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}`;
  }
}
