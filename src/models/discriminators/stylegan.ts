/** The discriminator of LlamaGen's tokenizers, which goes back to StyleGAN2's. */
import { ConfigError, readConfig } from '../../config/read.js';
import { count, isTree, kind, optional, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { blur } from './blur.js';
import type { Discriminator } from './discriminator.js';
import { checkSide } from './side.js';

/** Widths by the side of the feature maps in pixels: `'64'`, or a range such as `'4..32'`. */
export type WidthsBySide = Readonly<Record<string, number>>;

const isWidths = (value: unknown): boolean =>
  isTree(value) &&
  Object.entries(value).every(
    ([sides, width]) => /^\d+(\.\.\d+)?$/.test(sides) && Number.isSafeInteger(width) && Number(width) > 0,
  );

const schema = {
  /** Channels of the images. Default 3. */
  inputChannels: count(3),
  /** Side of the images in pixels, a power of two from 8. Default 256. */
  imageSize: count(256),
  /** Factor of the widths of maps from 64 pixels on. Default 1. */
  channelMultiplier: count(1),
  /**
   * Widths instead of the published ones, by the side of the maps: `{ '4..32': 512, '64': 256 }`. Default: 512 up to 32
   * pixels, and from 64 on 256, halved with each doubling of the side, times `channelMultiplier`.
   */
  channels: optional(
    kind<WidthsBySide>("an object of widths by side, such as { '4..32': 512, '64': 256 }", isWidths)(),
  ),
};

export type StyleGANDiscriminatorConfig = Given<typeof schema>;

/**
 * Maps images [B, C, S, S] to a logit each, [B, 1], as `Discriminator` of LlamaGen's `discriminator_stylegan.py`; high
 * values mean real. State-dict keys are the published ones. In YAML it is `tessera.discriminators.StyleGAN`.
 *
 * @example
 * ```ts
 * const discriminator = new StyleGANDiscriminator({ imageSize: 64 });
 * const logits = discriminator.forward(torch.rand([2, 3, 64, 64]).mul(2).sub(1)); // [2, 1]
 * ```
 */
export class StyleGANDiscriminator extends nn.Module implements Discriminator {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Channels of the input images. */
  readonly inChannels: number;
  /** Side of the input images in pixels. */
  readonly imageSize: number;
  /** A convolution, an activation, and a block for each halving of the side, down to 4. */
  readonly blocks: nn.ModuleList;
  readonly finalConv: nn.Sequential;
  readonly finalLinear: nn.Sequential;

  /** @throws RangeError for an image size that is not a power of two, ConfigError if a side has no width */
  constructor(config: StyleGANDiscriminatorConfig = {}) {
    super();
    const settings = readConfig(schema, config, 'StyleGANDiscriminator');
    const { inputChannels, imageSize, channelMultiplier, channels } = settings;
    checkSide('StyleGANDiscriminator', imageSize);
    this.inChannels = inputChannels;
    this.imageSize = imageSize;
    const width = (side: number): number =>
      channels
        ? widthIn(channels, side)
        : side <= 32
          ? 512
          : Math.max(1, (256 * 64) / side) * channelMultiplier;

    const blocks: nn.Module[] = [
      new nn.Conv2d(inputChannels, width(imageSize), 3, { padding: 1 }),
      new nn.LeakyReLU(0.2),
    ];
    for (let side = imageSize; side > 4; side /= 2)
      blocks.push(new StyleGANBlock(width(side), width(side / 2)));
    this.blocks = new nn.ModuleList(blocks);
    this.finalConv = new nn.Sequential(
      new nn.Conv2d(width(4), width(4), 3, { padding: 1 }),
      new nn.LeakyReLU(0.2),
    );
    this.finalLinear = new nn.Sequential(
      new nn.Linear(width(4) * 16, width(4)),
      new nn.LeakyReLU(0.2),
      new nn.Linear(width(4), 1),
    );
  }

  override forward(images: Tensor): Tensor {
    let x = images;
    for (const block of this.blocks) x = block.forward(x);
    return this.finalLinear.forward(this.finalConv.forward(x).flatten(1)); // [B, 1]
  }
}

/** Halves the side: two convolutions, a blur and a strided convolution, plus a 1×1 convolution, over √2. */
class StyleGANBlock extends nn.Module {
  readonly convRes: nn.Conv2d;
  readonly net: nn.Sequential;
  readonly downsample: nn.Sequential;

  constructor(inputs: number, outputs: number) {
    super();
    this.convRes = new nn.Conv2d(inputs, outputs, 1, { stride: 2 });
    this.net = new nn.Sequential(
      new nn.Conv2d(inputs, outputs, 3, { padding: 1 }),
      new nn.LeakyReLU(0.2),
      new nn.Conv2d(outputs, outputs, 3, { padding: 1 }),
      new nn.LeakyReLU(0.2),
    );
    this.downsample = new nn.Sequential(
      new ReflectedBlur(),
      new nn.Conv2d(outputs, outputs, 3, { padding: 1, stride: 2 }),
    );
  }

  override forward(x: Tensor): Tensor {
    const main = this.downsample.forward(this.net.forward(x));
    return main.add(this.convRes.forward(x)).mul(Math.SQRT1_2); // [B, outputs, H / 2, W / 2]
  }
}

class ReflectedBlur extends nn.Module {
  /** Taps of the filter, [3]. */
  declare readonly f: Tensor;

  constructor() {
    super();
    this.registerBuffer('f', torch.tensor([1, 2, 1]));
  }

  override forward(x: Tensor): Tensor {
    const kernel = torch.outer(this.f, this.f);
    return blur(F.pad(x, [1, 1, 1, 1], { mode: 'reflect' }), kernel.div(kernel.sum()));
  }
}

/** @throws ConfigError if the table has no width for a side */
function widthIn(widths: WidthsBySide, side: number): number {
  for (const [sides, width] of Object.entries(widths)) {
    const [first, last = first] = sides.split('..').map(Number) as [number, number?];
    if (side >= first && side <= last) return width;
  }
  throw new ConfigError(
    'channels',
    `StyleGANDiscriminator: channels has no width for maps of ${side} pixels, only for ` +
      `${Object.keys(widths).join(', ')}: it needs one for each side from 4 to imageSize`,
  );
}
