/** The patch discriminator of pix2pix (arXiv 1611.07004), used in VQGAN's adversarial training. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { jointStatistics } from '../../torch/nn/synced-batch-norm.js';
import { readConfig } from '../../config/read.js';
import { count, flag, type Given } from '../../config/schema.js';
import type { Discriminator } from './discriminator.js';

const schema = {
  /** Channels of the image, plus those of the condition, if any. Default 3. */
  inChannels: count(3),
  /** Width of the first layer. Default 64. */
  ndf: count(64),
  /** Number of strided layers; 3 give a receptive field of 70×70 pixels. Default 3. */
  nLayers: count(3),
  /** If true, normalise by ActNorm instead of batch norm. Default false. */
  useActnorm: flag(false),
  /**
   * If true, each convolution's weight is divided by its largest singular value (arXiv 1802.05957), for which state dicts
   * have `parametrizations.weight.original` instead of `weight`; see `nn.spectralNorm`. Default false.
   */
  spectralNorm: flag(false),
};

export type NLayerDiscriminatorConfig = Given<typeof schema>;

/**
 * Per-channel scale and shift, initialised from the first training batch so that its output has mean 0 and standard
 * deviation 1 (arXiv 1807.03039).
 *
 * @example
 * ```ts
 * const norm = new ActNorm(64);
 * const y = norm.forward(torch.randn([8, 64, 16, 16])); // the first batch sets loc and scale
 * ```
 */
export class ActNorm extends nn.Module {
  protected static override readonly scoped: readonly string[] = ['reverse'];
  /** Per-channel shift, added before scaling: [1, C, 1, 1]. */
  readonly loc: nn.Parameter; // [1, C, 1, 1]
  /** Per-channel scale: [1, C, 1, 1]. */
  readonly scale: nn.Parameter; // [1, C, 1, 1]
  /** uint8 scalar: 1 after the first training batch, 0 before. */
  declare initialized: Tensor;
  /** Version of `initialized` when it was last read as 1; reading it at every step would synchronize with the device. */
  #readAt: { buffer: Tensor; version: number } | null = null;
  #synced = false;

  constructor(channels: number) {
    super();
    this.loc = new nn.Parameter(torch.zeros([1, channels, 1, 1]));
    this.scale = new nn.Parameter(torch.ones([1, channels, 1, 1]));
    this.registerBuffer('initialized', torch.zeros([], { dtype: 'uint8' }));
  }

  protected override stateLoaded(): void {
    this.#readAt = null;
  }

  /** Initialises from the first batches of all processes, as if they were one. */
  synchronize(): void {
    this.#synced = true;
  }

  override forward(x: Tensor): Tensor {
    if (this.training && !this.#isInitialized()) this.#initialize(x);
    return x.add(this.loc).mul(this.scale); // [B, C, H, W]
  }

  /** Inverts the normalisation: x / scale − loc. Throws before initialization, when it would return x unchanged. */
  reverse(x: Tensor): Tensor {
    if (this.training && !this.#isInitialized()) {
      throw new torch.TorchError(
        'ActNorm: reverse needs the scale and shift that the first forward in training sets; call forward first',
      );
    }
    return x.div(this.scale).sub(this.loc);
  }

  #isInitialized(): boolean {
    const buffer = this.initialized;
    const version = torch.callOperator('aten::_version', '', [buffer]) as number;
    if (this.#readAt?.buffer === buffer && this.#readAt.version === version) return true;
    if (Number(buffer.item()) === 0) return false;
    this.#readAt = { buffer, version };
    return true;
  }

  #initialize(x: Tensor): void {
    if (x.numel() <= (x.shape[1] ?? 1)) {
      throw new torch.ShapeError(
        `ActNorm: the first batch needs more than one value per channel to set the scale, got [${x.shape.join(', ')}]: ` +
          'use a larger batch or larger images',
      );
    }
    torch.noGrad(() => {
      const { mean, deviation } = this.#synced && torch.distributed.worldSize() > 1 ? jointly(x) : alone(x);
      this.loc.copy_(mean.neg().reshape(this.loc.shape));
      this.scale.copy_(deviation.add(1e-6).reciprocal().reshape(this.scale.shape));
      this.initialized.fill_(1);
    });
  }
}

/** Mean and unbiased standard deviation of each channel of x [B, C, H, W], each [C]. */
function alone(x: Tensor): { mean: Tensor; deviation: Tensor } {
  const perChannel = x.transpose(0, 1).reshape([x.shape[1] ?? 0, -1]); // [C, B·H·W]
  return { mean: perChannel.mean([1]), deviation: perChannel.std([1]) };
}

/** The same over the batches of all processes. */
function jointly(x: Tensor): { mean: Tensor; deviation: Tensor } {
  const { mean, variance, count } = jointStatistics(x);
  return { mean, deviation: variance.mul(count / Math.max(1, count - 1)).sqrt() };
}

/**
 * Maps [B, inChannels, H, W] to one logit per patch, [B, 1, H′, W′]; high values mean real.
 *
 * @example
 * ```ts
 * const discriminator = new NLayerDiscriminator({ ndf: 64, nLayers: 3 });
 * const logits = discriminator.forward(torch.rand([2, 3, 256, 256]).mul(2).sub(1)); // [2, 1, 30, 30]
 * ```
 */
export class NLayerDiscriminator extends nn.Module implements Discriminator {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Sequence of convolutions, norms and activations. */
  readonly main: nn.Sequential;
  /** Channels of the input images. */
  readonly inChannels: number;
  /** Number of strided layers. */
  readonly nLayers: number;

  /** Returns the largest number of strided layers that leaves at least one logit for this image side, or 0 if none. */
  static mostLayers(side: number): number {
    // Each layer halves the side; the two 4×4 convolutions with padding 1 after them reduce it by one each.
    return side < 6 ? 0 : Math.floor(Math.log2(side / 3));
  }

  constructor(config: NLayerDiscriminatorConfig = {}) {
    super();
    const settings = readConfig(schema, config, 'NLayerDiscriminator');
    const { inChannels, ndf, nLayers, useActnorm, spectralNorm } = settings;
    this.inChannels = inChannels;
    this.nLayers = nLayers;
    const width = (level: number) => ndf * Math.min(2 ** level, 8);
    const norm = (channels: number) => (useActnorm ? new ActNorm(channels) : new nn.BatchNorm2d(channels));
    // Batch norm has its own shift, so the bias is redundant. ActNorm's shift is set once, so the bias is kept.
    const bias = useActnorm;

    const layers: nn.Module[] = [
      new nn.Conv2d(inChannels, ndf, 4, { stride: 2, padding: 1 }), // [B, ndf, H / 2, W / 2]
      new nn.LeakyReLU(0.2),
    ];
    for (let level = 1; level <= nLayers; level++) {
      const stride = level < nLayers ? 2 : 1;
      layers.push(
        new nn.Conv2d(width(level - 1), width(level), 4, { stride, padding: 1, bias }),
        norm(width(level)),
        new nn.LeakyReLU(0.2),
      );
    }
    layers.push(new nn.Conv2d(width(nLayers), 1, 4, { stride: 1, padding: 1 }));
    this.main = new nn.Sequential(...layers);
    for (const layer of layers) initialize(layer);
    for (const layer of spectralNorm ? layers : []) if (layer instanceof nn.Conv2d) nn.spectralNorm(layer);
  }

  override forward(x: Tensor): Tensor {
    return this.main.forward(x); // [B, 1, H′, W′]
  }
}

/** Initialises weights with N(0, 0.02) and batch-norm scales with N(1, 0.02); conv biases keep PyTorch's default. */
function initialize(layer: nn.Module): void {
  if (layer instanceof nn.Conv2d) {
    nn.init.normal_(layer.weight, 0, 0.02);
  } else if (layer instanceof nn.BatchNorm2d) {
    if (layer.weight) nn.init.normal_(layer.weight, 1, 0.02);
    if (layer.bias) nn.init.zeros_(layer.bias);
  }
}
