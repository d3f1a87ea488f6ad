/** A prior of another kind than the GPT: recurrent, without attention, embeddings and a cache. */
import { readConfig } from '../../../src/config/read.js';
import { count, type Given } from '../../../src/config/schema.js';
import type { Prior, PriorForwardOptions } from '../../../src/models/priors/prior.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

const schema = { vocabSize: count(), blockSize: count(), width: count(16) };

export class RecurrentPrior extends nn.Module implements Prior {
  static readonly schema: typeof schema = schema;
  readonly vocabSize: number;
  readonly blockSize: number;
  readonly nUnmasked = 0;
  nCodes: number;
  readonly tokens: nn.Embedding;
  readonly cell: nn.GRUCell;
  readonly head: nn.Linear;

  constructor(config: Given<typeof schema>) {
    super();
    const { vocabSize, blockSize, width } = readConfig(schema, config, 'RecurrentPrior');
    this.vocabSize = vocabSize;
    this.blockSize = blockSize;
    this.nCodes = vocabSize;
    this.tokens = new nn.Embedding(vocabSize, width);
    this.cell = new nn.GRUCell(width, width);
    this.head = new nn.Linear(width, vocabSize);
  }

  decayedWeights(): nn.Parameter[] {
    return [this.cell.weightIh, this.cell.weightHh, this.head.weight];
  }

  override forward(tokens: Tensor, { lastOnly = false, at }: PriorForwardOptions = {}): Tensor {
    let state: Tensor | null = null;
    const states = this.tokens
      .forward(tokens)
      .unbind(1)
      .map((token) => (state = this.cell.forward(token, state)));
    let x = torch.stack(states, 1); // [B, T, E]
    if (lastOnly) x = x.narrow(1, x.shape[1]! - 1, 1);
    if (at) x = x.takeAlongDim(at.view([-1, 1, 1]), 1);
    return this.head.forward(x);
  }
}
