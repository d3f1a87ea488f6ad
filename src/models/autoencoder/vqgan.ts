/** VQGAN's first stage: encoder, quantizer and decoder around a grid of codes (arXiv 2012.09841, section 3.1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kept, model, number, object, optional } from '../../config/schema.js';
import type { Given, Settings } from '../../config/schema.js';
import { backboneSchema, chain } from './blocks.js';
import { checkpointSchema } from '../registry/checkpoint-schema.js';
import type { Quantized } from '../quantizers/vector.js';
import { VectorQuantizer } from '../quantizers/vector.js';
import { Decoder } from './decoder.js';
import { EMAVectorQuantizer } from '../quantizers/ema.js';
import { Encoder } from './encoder.js';
import { GumbelQuantizer } from '../quantizers/gumbel.js';
import { remapSchema, RemappableQuantizer } from '../quantizers/remap.js';

/** A quantizer a first stage can hold. */
export interface Quantizer extends nn.Module {
  forward(z: Tensor): Quantized;
  codes(indices: Tensor): Tensor;
}

const schema = {
  /** Encoder and decoder. */
  ddconfig: object(backboneSchema),
  /**
   * The loss, kept under `loss` so that its weights are in the state dict. Given as a function, it is built
   * between decoder and quantizer, where the reference draws its initial weights. Default: none.
   */
  lossconfig: optional(
    model<nn.Module | (() => nn.Module)>(
      'a loss',
      (value) => value instanceof nn.Module || typeof value === 'function',
      'later',
    ),
  ),
  /** Number of codes. */
  nEmbed: count(),
  /** Width of a code. */
  embedDim: count(),
  ...remapSchema,
  /** Labels of a segmentation map that `toRgb` paints in random colours; adds the buffer `colorize`. */
  colorizeNlabels: optional(count()),
  /** Kept in `config`, never acted on. */
  imageKey: kept<string>(),
  ...checkpointSchema,
};

export type FirstStageConfig = Given<typeof schema>;

const { beta, saneIndexShape } = VectorQuantizer.schema;
const vqSchema = {
  ...schema,
  /** See VectorQuantizer. Default 0.25. */
  beta,
  /** See VectorQuantizer. Default true: the reference trained every published model so. */
  legacy: flag(true),
  /** Shape of the indices the quantizer itself gives; `encode` always gives [B, h, w]. Default false. */
  saneIndexShape,
};

export type VQModelConfig = Given<typeof vqSchema>;

const gumbelSchema = {
  ...schema,
  /** Weight of the divergence from uniform code use. Default 1e-8. */
  klWeight: number(1e-8),
  /** Hard samples in training. Default true. */
  straightThrough: flag(true),
  /** Starting temperature. Default 1. */
  tempInit: number(1),
  /** Kept in `config`: a trainer sets `model.quantize.temperature`. */
  temperatureSchedulerConfig: kept(),
};

export type GumbelVQConfig = Given<typeof gumbelSchema>;

const emaSchema = {
  ...schema,
  /** Weight of the commitment loss. Default 0.25. */
  beta,
  /** Share of the old average kept at each update. Default 0.99. */
  decay: EMAVectorQuantizer.schema.decay,
  /** Laplace smoothing of the code counts. Default 1e-5. */
  eps: EMAVectorQuantizer.schema.eps,
  /** Of no effect: its quantizer gives rows of indices. */
  saneIndexShape,
};

export type EMAVQConfig = Given<typeof emaSchema>;

/** Result of `forward`. */
export interface Reconstruction {
  /** [B, outCh, H, W], unbounded. */
  reconstruction: Tensor;
  /** Codebook loss, a scalar, unweighted. */
  loss: Tensor;
  /** int64 [B, h, w]. */
  indices: Tensor;
}

/** Encoder → 1×1 convolution → quantizer → 1×1 convolution → decoder. */
export abstract class FirstStage<Q extends Quantizer = Quantizer> extends nn.Module {
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly loss: nn.Module | null;
  readonly quantize: Q;
  readonly quantConv: nn.Conv2d;
  readonly postQuantConv: nn.Conv2d;
  readonly config: Readonly<Settings<typeof schema>>;
  declare colorize: Tensor | null;

  constructor(config: Settings<typeof schema>, makeQuantizer: () => Q) {
    super();
    const { ddconfig, lossconfig = null, embedDim, colorizeNlabels } = config;
    this.config = config;
    this.encoder = new Encoder(ddconfig);
    this.decoder = new Decoder(ddconfig);
    this.loss = typeof lossconfig === 'function' ? lossconfig() : lossconfig;
    this.quantize = makeQuantizer();
    this.quantConv = new nn.Conv2d(ddconfig.zChannels, embedDim, 1);
    this.postQuantConv = new nn.Conv2d(embedDim, ddconfig.zChannels, 1);
    if (colorizeNlabels) this.registerBuffer('colorize', torch.randn([3, colorizeNlabels, 1, 1]));
  }

  /** Number of distinct indices: codes, or where they are remapped the used ones, and one more for the unknown. */
  get nCodes(): number {
    const { quantize, config } = this;
    return quantize instanceof RemappableQuantizer ? quantize.reEmbed : config.nEmbed;
  }

  /** Images [B, inChannels, H, W] → latents before quantization, [B, embedDim, h, w]. */
  encodeToPrequant(x: Tensor): Tensor {
    return torch.scope(() =>
      chain(
        x, // [B, inChannels, H, W]
        (h) => this.encoder.forward(h), // [B, zChannels, h, w]
        (h) => this.quantConv.forward(h), // [B, embedDim, h, w]
      ),
    );
  }

  /** Images → codes [B, embedDim, h, w], the codebook loss and indices [B, h, w]. */
  encode(x: Tensor): Quantized {
    return torch.scope(() => {
      const z = this.encodeToPrequant(x);
      const { quantized, loss, indices } = this.quantize.forward(z);
      const [b, , h, w] = z.shape as [number, number, number, number];
      return { quantized, loss, indices: indices.reshape([b, h, w]) };
    });
  }

  /** Codes [B, embedDim, h, w] → images [B, outCh, H, W]. */
  decode(quantized: Tensor): Tensor {
    return torch.scope(() =>
      chain(
        quantized, // [B, embedDim, h, w]
        (h) => this.postQuantConv.forward(h), // [B, zChannels, h, w]
        (h) => this.decoder.forward(h), // [B, outCh, H, W]
      ),
    );
  }

  /** Indices, int64 [B, h, w], → images [B, outCh, H, W]. */
  decodeIndices(indices: Tensor): Tensor {
    if (indices.ndim !== 3) {
      throw new torch.ShapeError(
        `decodeIndices takes indices [B, h, w], not [${indices.shape.join(', ')}]: reshape them to the grid of latents`,
      );
    }
    return torch.scope(() => this.decode(this.quantize.codes(indices)));
  }

  override forward(x: Tensor): Reconstruction {
    const { quantized, loss, indices } = this.encode(x);
    return { reconstruction: this.decode(quantized), loss, indices };
  }

  /** What the generator's optimizer trains: all but the loss. */
  generatorParameters(): nn.Parameter[] {
    return [this.encoder, this.decoder, this.quantize, this.quantConv, this.postQuantConv].flatMap((part) =>
      part.parameters(),
    );
  }

  /** The decoder's last weight, where the adaptive weight compares gradients. */
  get lastLayer(): nn.Parameter {
    return this.decoder.convOut.weight;
  }

  /** A one-hot map [B, colorizeNlabels, H, W] → an image in [−1, 1], [B, 3, H, W], of one random colour a label. */
  toRgb(segmentation: Tensor): Tensor {
    const { colorize } = this;
    if (!colorize) throw new TypeError('toRgb needs a model made with colorizeNlabels');
    return torch.noGrad(() =>
      torch.scope(() => {
        const painted = torch.conv2d(segmentation, colorize); // [B, 3, H, W]
        const low = painted.min();
        return painted.sub(low).div(painted.max().sub(low)).mul(2).sub(1);
      }),
    );
  }
}

/**
 * VQGAN with a codebook trained by gradients.
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
  /** What its configuration may hold. */
  static readonly schema: typeof vqSchema = vqSchema;

  constructor(config: VQModelConfig) {
    const settings = readConfig(vqSchema, config, 'VQModel');
    super(settings, () => new VectorQuantizer(settings));
  }
}

/**
 * VQGAN with Gumbel-softmax codes. `embedDim` must equal `zChannels`: the quantizer's projection takes the latter.
 *
 * @example
 * ```ts
 * const model = new GumbelVQ({ ddconfig: backbones.f8, nEmbed: 8192, embedDim: 256 });
 * const { reconstruction } = torch.noGrad(() => model.eval().forward(torch.zeros([1, 3, 64, 64])));
 * ```
 */
export class GumbelVQ extends FirstStage<GumbelQuantizer> {
  /** What its configuration may hold. */
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
 * VQGAN with a codebook that follows moving averages; its codes are no parameters of the optimizer.
 *
 * @example
 * ```ts
 * const model = new EMAVQ({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, decay: 0.99 });
 * const optimizer = new optim.Adam(model.generatorParameters(), { lr: 1e-4 }); // without the codes
 * ```
 */
export class EMAVQ extends FirstStage<EMAVectorQuantizer> {
  /** What its configuration may hold. */
  static readonly schema: typeof emaSchema = emaSchema;

  constructor(config: EMAVQConfig) {
    const settings = readConfig(emaSchema, config, 'EMAVQ');
    super(settings, () => new EMAVectorQuantizer(settings));
  }

  override generatorParameters(): nn.Parameter[] {
    const untrained = new Set(this.quantize.parameters());
    return super.generatorParameters().filter((parameter) => !untrained.has(parameter));
  }
}
