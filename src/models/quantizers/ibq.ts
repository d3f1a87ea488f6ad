/** Index backpropagation quantization: gradients reach all codes through the choice (arXiv 2412.02692, section 3.2). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, number, positive, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { codeEntropy } from './code-entropy.js';
import { atLeastFloat32, channelsToFront } from './latents.js';
import { NearestQuantizer, type QuantizerConfig } from './quantizer.js';
import { remapSchema } from './remap.js';

const schema = {
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of a code, D. */
  embedDim: count(),
  /** Weight of the term that moves codes towards their latents. Default 0.25. */
  beta: number(0.25),
  /** If true, the loss has the entropies of the choice. Default false. */
  useEntropyLoss: flag(false),
  /** Temperature of the choice whose entropies are taken. Default 0.01. */
  entropyTemperature: positive(0.01),
  /** Weight of the entropy of single choices, which is lowered. Default 1. */
  sampleMinimizationWeight: number(1),
  /** Weight of the entropy of the mean choice, which is raised. Default 1. */
  batchMaximizationWeight: number(1),
  /** Weight of the distances between latents and codes. Default 1. */
  quantLossWeight: number(1),
  /** Weight of the entropies. Default 0.05. */
  entropyLossWeight: number(0.05),
  ...remapSchema,
};

export type IBQConfig = Given<typeof schema>;

/**
 * Chooses the code with the largest dot product; its gradient is that of softmax over all codes, so that latents move
 * the whole codebook and not only the codes they chose. Memory grows with positions times codes.
 *
 * @example
 * ```ts
 * const quantizer = new IBQ({ nEmbed: 1024, embedDim: 256, useEntropyLoss: true });
 * const { quantized, losses } = quantizer.forward(torch.randn([2, 256, 16, 16]));
 * ```
 */
export class IBQ extends NearestQuantizer<Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  readonly embedding: nn.Embedding;

  constructor(config: IBQConfig) {
    super({ ...readConfig(schema, config, 'IBQ'), lookup: 'dot' });
    const { nEmbed, embedDim } = this.config;
    this.embedding = new nn.Embedding(nEmbed, embedDim);
    nn.init.uniform_(this.embedding.weight, -1 / nEmbed, 1 / nEmbed);
  }

  /** Quantizes z [B, D, h, w]; indices are [B, h, w]. */
  override forward(z: Tensor): Quantized {
    const { points, chosen, codes } = this.nearest(z); // [B, h, w, D], [B, h, w, D], [N]
    const weight = atLeastFloat32(this.codebook); // [K, D]
    const logits = points.reshape([-1, this.embedDim]).matmul(weight.t()); // [N, K]
    const quantized = chosenThrough(logits.softmax(-1), codes).matmul(weight).reshape(points.shape);
    const distance = F.mseLoss(quantized, points);
    const quant = distance
      .add(F.mseLoss(chosen.detach(), points))
      .add(F.mseLoss(chosen, points.detach()).mul(this.config.beta));
    const terms = this.#entropies(logits);
    const loss = quant.mul(this.config.quantLossWeight);
    return {
      quantized: channelsToFront(quantized).to(z.dtype), // [B, D, h, w]
      loss: terms ? loss.add(terms.entropy.mul(this.config.entropyLossWeight)) : loss,
      indices: this.remapToUsed(codes).reshape(points.shape.slice(0, 3)),
      losses: { quant, distance, ...terms },
    };
  }

  #entropies(
    logits: Tensor,
  ): Readonly<Record<'sampleEntropy' | 'averageEntropy' | 'entropy', Tensor>> | null {
    const {
      useEntropyLoss,
      entropyTemperature,
      sampleMinimizationWeight: single,
      batchMaximizationWeight,
    } = this.config;
    if (!useEntropyLoss) return null;
    const { sample, average } = codeEntropy(logits.div(entropyTemperature));
    const entropy = sample.mul(single).sub(average.mul(batchMaximizationWeight));
    return { sampleEntropy: sample, averageEntropy: average, entropy };
  }
}

/** Returns the choice of `codes` [N] as ones and zeros [N, K], with the gradient of the `soft` one [N, K]. */
function chosenThrough(soft: Tensor, codes: Tensor): Tensor {
  const hard = torch.zerosLike(soft).scatter(1, codes.unsqueeze(1), 1);
  return hard.sub(soft.detach()).add(soft);
}
