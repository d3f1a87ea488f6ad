/** VQGAN's first stage: an encoder, a quantizer and a decoder (arXiv 2012.09841, section 3.1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig, show } from '../../config/read.js';
import { count, flag, kept, model, number, object, optional } from '../../config/schema.js';
import type { Given, Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { EMAVectorQuantizer } from '../quantizers/ema.js';
import { GumbelQuantizer } from '../quantizers/gumbel.js';
import { isLlamaGen } from '../quantizers/llamagen-settings.js';
import { inGrid, Quantizer } from '../quantizers/quantizer.js';
import { remapSchema } from '../quantizers/remap.js';
import { VectorQuantizer } from '../quantizers/vector.js';
import { checkpointSchema } from '../registry/checkpoint-schema.js';
import { backboneSchema } from './blocks.js';
import { Decoder } from './decoder.js';
import { Encoder } from './encoder.js';

/** Settings common to all first stages. */
export const firstStageSchema = {
  /** Configuration of the encoder and decoder. */
  ddconfig: object(backboneSchema),
  /**
   * Loss module, stored as `loss` so that its weights are in the state dict. A function is called between building
   * the decoder and the quantizer, which is when the reference draws the loss's initial weights. Default: none.
   */
  lossconfig: optional(
    model<nn.Module | (() => nn.Module)>(
      'a loss',
      (value) => value instanceof nn.Module || typeof value === 'function',
      'later',
    ),
  ),
  /** Number of segmentation labels that `toRgb` paints in random colours; adds the buffer `colorize`. */
  colorizeNlabels: optional(count()),
  /**
   * Field of an example that a trainer reads instead of the image, such as `segmentation`; the model itself does not
   * use it. Default: the image.
   */
  imageKey: kept<string>(),
  ...checkpointSchema,
};

export type FirstStageConfig = Given<typeof firstStageSchema>;

const { ddconfig, lossconfig, ...rest } = firstStageSchema;

/** In the reference, first stages take their quantizer's settings as their own. */
const schema = {
  ddconfig,
  lossconfig,
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of a code, D. */
  embedDim: count(),
  ...remapSchema,
  ...rest,
};

const vqSchema = {
  ...schema,
  ...VectorQuantizer.schema,
  /**
   * See VectorQuantizer. Default true, because all published models of the reference were trained this way; with a setting
   * of LlamaGen's, default false.
   */
  legacy: optional(flag()),
};

export type VQModelConfig = Given<typeof vqSchema>;

const { numHiddens: _, ...gumbel } = GumbelQuantizer.schema;
const gumbelSchema = {
  ...schema,
  ...gumbel,
  /** Weight of the divergence from uniform code usage. Default 1e-8. */
  klWeight: number(1e-8),
};

export type GumbelVQConfig = Given<typeof gumbelSchema>;

const emaSchema = {
  ...schema,
  ...EMAVectorQuantizer.schema,
  /** Has no effect: the quantizer always returns flat indices. */
  saneIndexShape: flag(false),
};

export type EMAVQConfig = Given<typeof emaSchema>;

/** Reconstruction of a batch of images, with its codes and codebook loss. */
export interface Reconstruction {
  /** [B, outCh, H, W], unbounded. */
  reconstruction: Tensor;
  /** Codebook loss, a scalar, unweighted. */
  loss: Tensor;
  /** Codes of the images, int64 [B, h, w]. */
  indices: Tensor;
}

/**
 * First stage with any quantizer: encoder → 1×1 convolution → quantizer → 1×1 convolution → decoder. If the quantizer
 * is passed as a function, it is built between the loss and the convolutions, which is when the reference draws its
 * initial weights.
 *
 * @example
 * ```ts
 * const quantizer = new EMAVectorQuantizer({ nEmbed: 1024, embedDim: 256, decay: 0.99 });
 * const model = new VqganFirstStage({ ddconfig: backbones.f16 }, quantizer);
 * const { indices } = torch.noGrad(() => model.encode(torch.zeros([1, 3, 64, 64]))); // [1, 4, 4]
 * ```
 */
export class FirstStage<Q extends Quantizer = Quantizer> extends nn.Module {
  protected static override readonly scoped: readonly string[] = [
    'encodeToPrequant',
    'encode',
    'decode',
    'decodeIndices',
    'toRgb',
  ];
  /** Maps images to latents. */
  readonly encoder: Encoder;
  /** Maps latents to images. */
  readonly decoder: Decoder;
  readonly loss: nn.Module | null;
  /** Maps latents to codes. */
  readonly quantize: Q;
  readonly quantConv: nn.Conv2d;
  readonly postQuantConv: nn.Conv2d;
  /** Configuration, with defaults filled in. */
  readonly config: Readonly<Settings<typeof firstStageSchema> & { nEmbed: number; embedDim: number }>;
  /** Colours of the labels of a segmentation map, [3, colorizeNlabels, 1, 1]. */
  declare colorize: Tensor | null;

  constructor(config: FirstStageConfig, quantizer: Q | (() => Q)) {
    super();
    const settings = readConfig(firstStageSchema, config, 'FirstStage');
    const { ddconfig, lossconfig = null, colorizeNlabels } = settings;
    this.encoder = new Encoder(ddconfig);
    this.decoder = new Decoder(ddconfig);
    this.loss = typeof lossconfig === 'function' ? lossconfig() : lossconfig;
    this.quantize = typeof quantizer === 'function' ? quantizer() : quantizer;
    if (!(this.quantize instanceof Quantizer)) {
      throw new TypeError(`FirstStage: quantizer must be a quantizer, got ${show(this.quantize)}`);
    }
    const { nEmbed, embedDim, latentDim } = this.quantize;
    this.quantConv = new nn.Conv2d(ddconfig.zChannels, latentDim, 1);
    this.postQuantConv = new nn.Conv2d(embedDim, ddconfig.zChannels, 1);
    this.config = { ...(config as typeof settings), ...settings, nEmbed, embedDim };
    if (colorizeNlabels) this.registerBuffer('colorize', torch.randn([3, colorizeNlabels, 1, 1]));
  }

  /** Number of distinct indices: all codes or, with `remap`, the used ones plus the extra token, if any. */
  get nCodes(): number {
    return this.quantize.reEmbed;
  }

  /** True if images have one code at each position, indices [B, h, w]. */
  get hasSingleCodes(): boolean {
    return this.quantize.indexDims === 3;
  }

  /** Channels of the images that it encodes. */
  get inChannels(): number {
    return this.config.ddconfig.inChannels;
  }

  /** Pixels per side covered by one code. */
  get stride(): number {
    return this.encoder.downsamplingFactor;
  }

  /** Encodes images [B, inChannels, H, W] into latents before quantization, [B, embedDim, h, w]. */
  encodeToPrequant(x: Tensor): Tensor {
    return nn.chain(x, this.encoder, this.quantConv);
  }

  /** Encodes images into codes [B, embedDim, h, w], the codebook loss and indices [B, h, w]. */
  encode(x: Tensor): Quantized {
    const z = this.encodeToPrequant(x);
    const out = this.quantize.forward(z);
    return { quantized: out.quantized, loss: this.quantize.weighted(out), indices: inGrid(out.indices, z) };
  }

  /** Decodes codes [B, embedDim, h, w] into images [B, outCh, H, W]. */
  decode(quantized: Tensor): Tensor {
    return nn.chain(quantized, this.postQuantConv, this.decoder);
  }

  /** Decodes indices, int64 [B, h, w], into images [B, outCh, H, W]. */
  decodeIndices(indices: Tensor): Tensor {
    const { indexDims } = this.quantize;
    if (indices.ndim !== indexDims) {
      const form = this.hasSingleCodes ? '[B, h, w]' : `of ${indexDims} axes, as encode returns them`;
      throw new torch.ShapeError(
        `decodeIndices expects indices ${form}, got [${indices.shape.join(', ')}]: reshape them to the grid of latents`,
      );
    }
    return this.decode(this.quantize.codes(indices));
  }

  override forward(x: Tensor): Reconstruction {
    const { quantized, loss, indices } = this.encode(x);
    return { reconstruction: this.decode(quantized), loss, indices };
  }

  /** Returns the parameters trained by the generator's optimizer: all except those of the loss. */
  generatorParameters(): nn.Parameter[] {
    const { encoder, decoder, quantize, quantConv, postQuantConv } = this;
    const after = [quantConv, postQuantConv].flatMap((part) => part.parameters());
    return [...encoder.parameters(), ...decoder.parameters(), ...quantize.trained(), ...after];
  }

  /** The decoder's last weight, at which the adaptive weight compares gradients. */
  get lastLayer(): nn.Parameter {
    return this.decoder.convOut.weight;
  }

  /** Paints a one-hot map [B, colorizeNlabels, H, W] with random label colours: an image [B, 3, H, W] in [−1, 1]. */
  toRgb(segmentation: Tensor): Tensor {
    const { colorize } = this;
    if (!colorize) throw new TypeError('toRgb needs a model that was created with colorizeNlabels');
    return torch.noGrad(() => {
      const painted = torch.conv2d(segmentation, colorize); // [B, 3, H, W]
      const low = painted.min();
      return painted.sub(low).div(painted.max().sub(low)).mul(2).sub(1);
    });
  }
}

/**
 * VQGAN with a codebook trained by gradient descent.
 *
 * @example
 * ```ts
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 });
 * const images = torch.rand([1, 3, 64, 64]).mul(2).sub(1); // in [-1, 1]
 * const { indices } = torch.noGrad(() => model.encode(images));
 * const decoded = torch.noGrad(() => model.decodeIndices(indices.view([1, 4, 4]))); // [1, 3, 64, 64]
 * ```
 */
export class VQModel extends FirstStage<VectorQuantizer> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof vqSchema = vqSchema;

  constructor(config: VQModelConfig) {
    const settings = readConfig(vqSchema, config, 'VQModel');
    const whole = { ...settings, legacy: settings.legacy ?? !isLlamaGen(settings) };
    super(whole, () => new VectorQuantizer(whole));
  }
}

/**
 * VQGAN with Gumbel-softmax codes. `embedDim` must equal `zChannels`, which is the input width of the quantizer's
 * projection.
 *
 * @example
 * ```ts
 * const model = new GumbelVQ({ ddconfig: backbones.f8, nEmbed: 8192, embedDim: 256 });
 * const { reconstruction } = torch.noGrad(() => model.eval().forward(torch.zeros([1, 3, 64, 64])));
 * ```
 */
export class GumbelVQ extends FirstStage<GumbelQuantizer> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof gumbelSchema = gumbelSchema;

  constructor(config: GumbelVQConfig) {
    const settings = readConfig(gumbelSchema, config, 'GumbelVQ');
    const { zChannels: numHiddens } = settings.ddconfig;
    if (settings.embedDim !== numHiddens) {
      throw new RangeError(
        `GumbelVQ needs embedDim equal to ddconfig.zChannels: its quantizer projects latents of that width; got ${settings.embedDim} and ${numHiddens}`,
      );
    }
    super(settings, () => new GumbelQuantizer({ ...settings, numHiddens }));
  }
}

/**
 * VQGAN with a codebook updated by moving averages; its codes are not trained by the optimizer.
 *
 * @example
 * ```ts
 * const model = new EMAVQ({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, decay: 0.99 });
 * const optimizer = new optim.Adam(model.generatorParameters(), { lr: 1e-4 }); // without the codes
 * ```
 */
export class EMAVQ extends FirstStage<EMAVectorQuantizer> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof emaSchema = emaSchema;

  constructor(config: EMAVQConfig) {
    const settings = readConfig(emaSchema, config, 'EMAVQ');
    super(settings, () => new EMAVectorQuantizer(settings));
  }
}
