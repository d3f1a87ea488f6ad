/** Residual quantization by codebooks (arXiv 2107.03312, algorithm 1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, optional, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { directed } from './directional.js';
import { channelsToEnd } from './latents.js';
import { ResidualQuantizer, residualSchema } from './residual.js';
import type { QuantizerConfig } from './quantizer.js';
import { codebookSchema } from './vector-quantize-schema.js';
import { VectorQuantize } from './vector-quantize.js';

/** Variance of the noise of directed steps. */
const DIRECTED_VARIANCE = 5e-3;

const schema = {
  ...codebookSchema,
  ...residualSchema,
  /** Width of the latents, D. */
  dim: count(),
  /** Width of a code; linear maps lead to it and back. Default D. */
  codebookDim: optional(count()),
  /** Number of quantizers in turn, Q. Default: the length of the list of sizes. */
  numQuantizers: optional(count()),
  /** Number of codes of every quantizer, or a list of those of each. */
  codebookSize: kind<number | readonly number[]>(
    'a positive integer, or a list of them',
    (value) =>
      [value].flat().length > 0 &&
      [value].flat().every((one: unknown) => Number.isSafeInteger(one) && (one as number) > 0),
  )(),
  /** If true, all quantizers have the same codebook, which moves once after the last. Default false. */
  sharedCodebook: flag(false),
  /** If true, codes are trained through one noisy directed step, also drawn in evaluation, without a loss. Default false. */
  diveq: flag(false),
};

export type ResidualVQConfig = Given<typeof schema>;

/**
 * Quantizes latents by several codebooks in turn; takes the settings of `VectorQuantize` for each.
 *
 * @example
 * ```ts
 * const quantizer = new ResidualVQ({ dim: 256, numQuantizers: 4, codebookSize: 1024 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 256, 16, 16])); // [2, 256, 16, 16], [2, 16, 16, 4]
 * const coarse = quantizer.codes(indices.narrow(3, 0, 2)); // [2, 256, 16, 16]
 * ```
 */
export class ResidualVQ extends ResidualQuantizer<VectorQuantize, Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;

  constructor(config: ResidualVQConfig) {
    const settings = readConfig(schema, config, 'ResidualVQ');
    const { dim, codebookDim: embedDim = dim, diveq, sharedCodebook } = settings;
    const sizes = sizesOf(settings);
    const learnableCodebook = settings.learnableCodebook || diveq;
    const layers = sizes.map(
      (nEmbed) =>
        new VectorQuantize({ ...settings, nEmbed, embedDim, codebookDim: embedDim, learnableCodebook }),
    );
    super({ ...settings, nEmbed: Math.max(...sizes), embedDim: dim, unknownIndex: 'random' }, layers);
    if (sharedCodebook) for (const [i, layer] of layers.entries()) layer.share(layers[0]!.embedding, i);
  }

  protected override quantizedBy(layer: VectorQuantize, rest: Tensor): Quantized {
    if (!this.config.diveq) return layer.forward(rest);
    const loss = torch.zeros([], { dtype: rest.dtype, device: rest.device });
    return { ...layer.chosen(rest), loss };
  }

  protected override summed(x: Tensor, total: Tensor): Tensor {
    if (!this.config.diveq) return total;
    const [points, chosen] = [x, total].map((one) => one.flatten(2).transpose(1, 2)) as [Tensor, Tensor];
    const out = directed(points, chosen, DIRECTED_VARIANCE, this.draws); // [B, n, d]
    return out.transpose(1, 2).reshape(x.shape);
  }

  protected override turned(given: readonly Tensor[]): void {
    if (!this.config.sharedCodebook || !this.training) return;
    this.layers.get(0).embedding.settle(given.map((one) => channelsToEnd(one).unsqueeze(0)));
  }

  protected override movers(): VectorQuantize[] {
    return this.config.sharedCodebook ? [this.layers.get(0)] : [...this.layers];
  }
}

/** Returns the number of codes of each quantizer. */
function sizesOf({ codebookSize, numQuantizers, sharedCodebook }: Settings<typeof schema>): number[] {
  const list = typeof codebookSize === 'number' ? null : [...codebookSize];
  if (list === null && numQuantizers === undefined)
    throw new TypeError(
      'ResidualVQ: numQuantizers is missing, and codebookSize is not a list of a size for each',
    );
  if (list && numQuantizers !== undefined && list.length !== numQuantizers)
    throw new RangeError(
      `ResidualVQ: codebookSize lists ${list.length} sizes, but numQuantizers is ${numQuantizers}`,
    );
  if (sharedCodebook && new Set(list).size > 1)
    throw new RangeError(
      `ResidualVQ: a shared codebook has one size, but codebookSize lists ${list!.join(', ')}`,
    );
  return list ?? Array<number>(numQuantizers!).fill(codebookSize as number);
}
