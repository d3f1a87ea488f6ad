/** Quantization by the Gumbel-softmax relaxation (arXiv 1611.01144), as used by the f8 models. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kept, number, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { atLeastFloat32, channelsToFront } from './latents.js';
import { Quantizer } from './quantizer.js';
import { remapSchema } from './remap.js';

const schema = {
  /** Width of the input latents. */
  numHiddens: count(),
  /** Width of a code, D. */
  embedDim: count(),
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** If true, training also uses hard samples, with the gradient of the soft sample. Default true. */
  straightThrough: flag(true),
  /** Weight of the divergence from the uniform distribution. Default 5e-4. */
  klWeight: number(5e-4),
  /** Initial temperature; a trainer lowers `quantizer.temperature`. Default 1. */
  tempInit: number(1),
  /** Stored in `config`; a trainer sets `temperature` according to it. */
  temperatureSchedulerConfig: kept(),
  ...remapSchema,
};

export type GumbelQuantizerConfig = Given<typeof schema>;

/**
 * Samples a code for each position from logits plus Gumbel noise: soft samples in training without
 * `straightThrough`, one-hot samples otherwise. Noise is also drawn in evaluation, so codes vary between calls.
 *
 * @example
 * ```ts
 * const quantizer = new GumbelQuantizer({ numHiddens: 256, embedDim: 256, nEmbed: 1024 });
 * const { quantized } = quantizer.forward(torch.randn([2, 256, 16, 16]), { temperature: 0.5 });
 * ```
 */
export class GumbelQuantizer extends Quantizer<Settings<typeof schema>> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Projection from the latent to one logit per code. */
  readonly proj: nn.Conv2d;
  readonly embed: nn.Embedding;
  /** Temperature of the Gumbel softmax in training; a trainer lowers it. */
  override temperature: number;

  constructor(config: GumbelQuantizerConfig) {
    super(readConfig(schema, config, 'GumbelQuantizer'));
    const { numHiddens, embedDim, nEmbed, tempInit } = this.config;
    this.temperature = tempInit;
    this.proj = new nn.Conv2d(numHiddens, nEmbed, 1);
    this.embed = new nn.Embedding(nEmbed, embedDim);
  }

  override get codebook(): Tensor {
    return this.embed.weight;
  }

  override get latentDim(): number {
    return this.config.numHiddens;
  }

  /** Quantizes z [B, numHiddens, h, w]; indices are [B, h, w]. */
  override forward(z: Tensor, { temperature = this.temperature }: { temperature?: number } = {}): Quantized {
    this.checkLatent(z);
    const { used } = this;
    const { nEmbed, klWeight, straightThrough } = this.config;
    const hard = this.training ? straightThrough : true;
    const allLogits = atLeastFloat32(this.proj.forward(z)); // [B, K, h, w]
    const logits = used ? allLogits.indexSelect(1, used) : allLogits; // [B, used, h, w]

    const sample = gumbelSoftmax(logits, this.gumbelNoise(logits), temperature, hard);
    const choice = used ? torch.zerosLike(allLogits).indexCopy(1, used, sample) : sample; // [B, K, h, w]
    const weight = atLeastFloat32(this.embed.weight); // [K, D]
    const quantized = channelsToFront(choice.permute([0, 2, 3, 1]).matmul(weight)); // [B, D, h, w]

    const q = logits.softmax(1); // without noise or temperature
    const divergence = q.mul(q.mul(nEmbed).add(1e-10).log()).sum([1]); // [B, h, w]
    return {
      quantized: quantized.to(z.dtype),
      loss: divergence.mean().mul(klWeight),
      indices: this.remapToUsed(choice.argmax(1)), // [B, h, w]
    };
  }

  override indices(z: Tensor): Tensor {
    this.checkLatent(z);
    const logits = atLeastFloat32(this.proj.forward(z)); // [B, K, h, w]
    return (this.used ? logits.indexSelect(1, this.used) : logits).argmax(1);
  }

  /** Returns the noise added to the logits: −log E with E exponentially distributed. Override to use other noise. */
  protected gumbelNoise(logits: Tensor): Tensor {
    return torch.noGrad(() => torch.emptyLike(logits).exponential_().log_().neg_());
  }
}

/** Returns softmax((logits + noise) / temperature) over dimension 1; one-hot if `hard`. */
function gumbelSoftmax(logits: Tensor, noise: Tensor, temperature: number, hard: boolean): Tensor {
  const soft = logits.add(noise).div(torch.floatScalar(temperature)).softmax(1);
  if (!hard) return soft;
  const oneHot = torch.zerosLike(soft).scatter(1, soft.argmax(1, true), 1);
  return oneHot.sub(soft.detach()).add(soft);
}
