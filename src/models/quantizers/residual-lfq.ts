/** Residual quantization by signs, each time at half the scale (arXiv 2310.05737 in turns). */
import { readConfig } from '../../config/read.js';
import { count, type Given, type Settings } from '../../config/schema.js';
import { LFQ } from './lfq.js';
import { ResidualQuantizer, residualSchema } from './residual.js';
import type { QuantizerConfig } from './quantizer.js';

const {
  codebookSize: _size,
  dim: _dim,
  numCodebooks: _codebooks,
  bitwise: _bitwise,
  bitOrder: _order,
  codebookScale: _scale,
  ...shared
} = LFQ.schema;

const schema = {
  ...residualSchema,
  ...shared,
  /** Number of codes of each quantizer, a power of 2; its logarithm is the number of channels that are quantized. */
  codebookSize: count(),
  /** Number of quantizers in turn, Q. */
  numQuantizers: count(),
};

export type ResidualLFQConfig = Given<typeof schema>;

/**
 * Quantizes latents by several `LFQ` in turn, whose codes and soft bounds are half as large each time.
 *
 * @example
 * ```ts
 * const quantizer = new ResidualLFQ({ codebookSize: 256, numQuantizers: 3, commitmentLossWeight: 0.25 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 8, 4, 4])); // [2, 8, 4, 4], [2, 4, 4, 3]
 * ```
 */
export class ResidualLFQ extends ResidualQuantizer<LFQ, Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;

  constructor(config: ResidualLFQConfig) {
    const settings = readConfig(schema, config, 'ResidualLFQ');
    const { codebookSize, numQuantizers, softClampInputValue: clamp } = settings;
    const { dim: _latents, ...ofLayers } = settings;
    const layers = Array.from({ length: numQuantizers }, (_, i) => {
      const scale = 2 ** -i;
      return new LFQ({
        ...ofLayers,
        codebookSize,
        codebookScale: scale,
        ...(clamp !== undefined && { softClampInputValue: clamp * scale }),
      });
    });
    const { embedDim } = layers[0]!;
    super(
      { ...settings, nEmbed: codebookSize, embedDim: settings.dim ?? embedDim, unknownIndex: 'random' },
      layers,
    );
  }
}
