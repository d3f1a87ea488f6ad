/** Residual quantization by frozen codebooks behind trained maps (arXiv 2411.02038 in turns). */
import { readConfig } from '../../config/read.js';
import { count, type Given, type Settings } from '../../config/schema.js';
import { ResidualQuantizer, residualSchema } from './residual.js';
import type { QuantizerConfig } from './quantizer.js';
import { SimVQ } from './simvq.js';

const { rotationTrick, bias, frozenCodebookDim, inputToQuantizeCommitLossWeight, commitmentWeight } =
  SimVQ.schema;

const schema = {
  ...residualSchema,
  /** Width of a code, D. */
  dim: count(),
  /** Number of codes of each quantizer. */
  codebookSize: count(),
  /** Number of quantizers in turn, Q. */
  numQuantizers: count(),
  rotationTrick,
  bias,
  frozenCodebookDim,
  inputToQuantizeCommitLossWeight,
  commitmentWeight,
};

export type ResidualSimVQConfig = Given<typeof schema>;

/**
 * Quantizes latents by several `SimVQ` in turn.
 *
 * @example
 * ```ts
 * const quantizer = new ResidualSimVQ({ dim: 256, codebookSize: 1024, numQuantizers: 4 });
 * const { indices } = quantizer.forward(torch.randn([2, 256, 16, 16])); // indices [2, 16, 16, 4]
 * ```
 */
export class ResidualSimVQ extends ResidualQuantizer<SimVQ, Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;

  constructor(config: ResidualSimVQConfig) {
    const settings = readConfig(schema, config, 'ResidualSimVQ');
    const { dim, codebookSize, numQuantizers } = settings;
    const layers = Array.from({ length: numQuantizers }, () => new SimVQ(settings));
    super({ ...settings, nEmbed: codebookSize, embedDim: dim, unknownIndex: 'random' }, layers);
  }
}
