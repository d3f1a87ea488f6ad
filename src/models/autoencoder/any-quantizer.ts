/** A VQGAN around any quantizer, named by its configuration. */
import { readConfig } from '../../config/read.js';
import { count, model, optional, type Given } from '../../config/schema.js';
import { quantizers } from '../quantizers/index.js';
import { Quantizer } from '../quantizers/quantizer.js';
import { FirstStage, firstStageSchema } from './vqgan.js';

const schema = {
  ...firstStageSchema,
  /** The quantizer, or a function that builds it after the decoder and the loss, in whose order weights are drawn. */
  quantizer: model<Quantizer | (() => Quantizer)>(
    `a quantizer, such as tessera.quantizers.${Object.keys(quantizers)[0]}`,
    (value) => value instanceof Quantizer || typeof value === 'function',
    'later',
  ),
  /** Width of a code. Default: the quantizer's, which it must equal. */
  embedDim: optional(count()),
};

export type VQGANConfig = Given<typeof schema>;

/**
 * A VQGAN with any quantizer; the reference has a class for each. In YAML its target is `tessera.VQGAN`.
 *
 * @example
 * ```ts
 * const model = new VQGAN({ ddconfig: backbones.f16, quantizer: new FSQ({ levels: [8, 5, 5, 5] }) });
 * const { indices } = torch.noGrad(() => model.encode(torch.zeros([1, 3, 64, 64]))); // [1, 4, 4]
 * ```
 */
export class VQGAN extends FirstStage {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;

  constructor(config: VQGANConfig) {
    const { quantizer, embedDim, ...settings } = readConfig(schema, config, 'VQGAN');
    super(settings, quantizer);
    if (embedDim !== undefined && embedDim !== this.quantize.embedDim) {
      throw new RangeError(
        `VQGAN: embedDim is ${embedDim}, but the codes of ${this.quantize.constructor.name} have a width of ` +
          `${this.quantize.embedDim}: leave embedDim out, or set the quantizer's`,
      );
    }
  }
}
