/** The residual discriminator of StyleGAN2 (arXiv 1912.04958), as bsq-vit and others train tokenizers with it. */
import { readConfig } from '../../config/read.js';
import { count, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { atLeastFloat32 } from '../quantizers/latents.js';
import { blur, blurKernel } from './blur.js';
import type { Discriminator } from './discriminator.js';
import { checkSide } from './side.js';

const schema = {
  /** Channels of the images. Default 3. */
  inputChannels: count(3),
  /** Side of the images in pixels, a power of two from 8. Default 256. */
  imageSize: count(256),
  /** Width of the maps times their side, before `channelMax`. Default 32768. */
  channelBase: count(32768),
  /** Largest width. Default 512. */
  channelMax: count(512),
  /** Images over which a standard deviation is taken as a feature. Default 4. */
  mbstdGroupSize: count(4),
};

export type StyleGAN2DiscriminatorConfig = Given<typeof schema>;

/**
 * Maps images [B, C, S, S] to a logit each, [B, 1]; high values mean real. Weights are stored with variance 1, and scaled
 * by the layer's size where they are used. State-dict keys are the published ones. In YAML it is
 * `tessera.discriminators.StyleGAN2`.
 *
 * A logit also depends on the other images of its group, so that a batch computed in parts has other gradients than the
 * whole, as with batch norm.
 *
 * @example
 * ```ts
 * const discriminator = new StyleGAN2Discriminator({ imageSize: 64, channelBase: 4096 });
 * const logits = discriminator.forward(torch.rand([4, 3, 64, 64]).mul(2).sub(1)); // [4, 1]
 * ```
 */
export class StyleGAN2Discriminator extends nn.Module implements Discriminator {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Channels of the input images. */
  readonly inChannels: number;
  /** Side of the input images in pixels. */
  readonly imageSize: number;
  readonly #blocks: readonly nn.Module[];

  /** @throws RangeError for an image size that is not a power of two */
  constructor(config: StyleGAN2DiscriminatorConfig = {}) {
    super();
    const settings = readConfig(schema, config, 'StyleGAN2Discriminator');
    const { inputChannels, imageSize, channelBase, channelMax, mbstdGroupSize } = settings;
    checkSide('StyleGAN2Discriminator', imageSize);
    this.inChannels = inputChannels;
    this.imageSize = imageSize;
    const width = (side: number) => Math.max(1, Math.min(Math.floor(channelBase / side), channelMax));
    const blocks: [name: string, block: nn.Module][] = [];
    for (let side = imageSize; side > 4; side /= 2) {
      const images = side === imageSize ? inputChannels : null;
      blocks.push([`b${side}`, new ResidualBlock(width(side), width(side / 2), images)]);
    }
    blocks.push(['b4', new Epilogue(width(4), mbstdGroupSize)]);
    Object.assign(this, Object.fromEntries(blocks)); // Their names are their keys.
    this.#blocks = blocks.map(([, block]) => block);
  }

  override forward(images: Tensor): Tensor {
    return this.#blocks.reduce((x, block) => block.forward(x), images); // [B, 1]
  }
}

/** √2, with which a leaky ReLU keeps the size of its input. */
const activationGain = Math.SQRT2;
const activated = (x: Tensor): Tensor => F.leakyRelu(x, 0.2).mul(activationGain);

/** A convolution whose weight is scaled by 1 / √(inputs of an output); with `down` it blurs and halves the side. */
class ScaledConv extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias: nn.Parameter | null;
  declare readonly resampleFilter: Tensor; // [4, 4]
  readonly #down: boolean;

  constructor(inputs: number, outputs: number, size: number, { down = false, bias = true } = {}) {
    super();
    this.weight = normalWeight([outputs, inputs, size, size]);
    this.bias = bias ? new nn.Parameter(torch.zeros([outputs])) : null;
    this.registerBuffer('resampleFilter', blurKernel([1, 3, 3, 1]));
    this.#down = down;
  }

  /** Without bias and activation if it has no bias. */
  override forward(x: Tensor): Tensor {
    const [, , , size = 1] = this.weight.shape;
    const weight = scaledWeight(this.weight);
    if (!this.bias) return this.#convolve(x, weight, size);
    return activated(this.#convolve(x, weight, size).add(this.bias.reshape([1, -1, 1, 1])));
  }

  #convolve(x: Tensor, weight: Tensor, size: number): Tensor {
    const padding = (size - 1) / 2;
    if (!this.#down) return F.conv2d(x, weight, { padding });
    // A 1×1 convolution only sees every second position: the others need not be filtered.
    if (size === 1) return F.conv2d(blur(x, this.resampleFilter, { stride: 2, padding: 1 }), weight);
    return F.conv2d(blur(x, this.resampleFilter, { padding: padding + 1 }), weight, { stride: 2 });
  }
}

/** A linear layer whose weight is scaled by 1 / √inputs. */
class ScaledLinear extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias: nn.Parameter;

  constructor(inputs: number, outputs: number) {
    super();
    this.weight = normalWeight([outputs, inputs]);
    this.bias = new nn.Parameter(torch.zeros([outputs]));
  }

  override forward(x: Tensor): Tensor {
    return F.linear(x, scaledWeight(this.weight), this.bias);
  }
}

const normalWeight = (shape: number[]): nn.Parameter => {
  const weight = new nn.Parameter(torch.empty(shape));
  nn.init.normal_(weight);
  return weight;
};

const scaledWeight = (weight: Tensor): Tensor => weight.mul(1 / Math.sqrt(weight.numel() / weight.shape[0]!));

/** Halves the side; the first one takes the image. */
class ResidualBlock extends nn.Module {
  readonly fromrgb: ScaledConv | null;
  readonly conv0: ScaledConv;
  readonly conv1: ScaledConv;
  readonly skip: ScaledConv;
  declare readonly resampleFilter: Tensor; // unused, but published with the weights

  constructor(inputs: number, outputs: number, imageChannels: number | null) {
    super();
    this.fromrgb = imageChannels === null ? null : new ScaledConv(imageChannels, inputs, 1);
    this.conv0 = new ScaledConv(inputs, inputs, 3);
    this.conv1 = new ScaledConv(inputs, outputs, 3, { down: true });
    this.skip = new ScaledConv(inputs, outputs, 1, { down: true, bias: false });
    this.registerBuffer('resampleFilter', blurKernel([1, 3, 3, 1]));
  }

  override forward(input: Tensor): Tensor {
    const x = this.fromrgb?.forward(input) ?? input;
    const main = this.conv1.forward(this.conv0.forward(x));
    return main.add(this.skip.forward(x)).mul(Math.SQRT1_2); // [B, outputs, H / 2, W / 2]
  }
}

/** From maps of 4×4 to logits. */
class Epilogue extends nn.Module {
  readonly conv: ScaledConv;
  readonly fc: ScaledLinear;
  readonly out: ScaledLinear;
  readonly #groupSize: number;

  constructor(width: number, groupSize: number) {
    super();
    this.conv = new ScaledConv(width + 1, width, 3);
    this.fc = new ScaledLinear(width * 16, width);
    this.out = new ScaledLinear(width, 1);
    this.#groupSize = groupSize;
  }

  override forward(x: Tensor): Tensor {
    const seen = this.conv.forward(withDeviations(x, this.#groupSize)).flatten(1); // [B, 16·C]
    return this.out.forward(activated(this.fc.forward(seen))); // [B, 1]
  }
}

/**
 * Appends a channel to x [B, C, H, W]: the standard deviation over the images of a group, averaged over channels and
 * positions, by which a discriminator notices images that are too alike. Image i belongs to group i mod B / G. G is the
 * largest divisor of B that is at most `groupSize`, where the published code refuses a batch that `groupSize` does not
 * divide. Deviations are computed in at least float32: in float16 the 1e-8 would be 0, and the gradient of √0 is not finite.
 */
function withDeviations(x: Tensor, groupSize: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  let size = Math.min(groupSize, batch);
  while (batch % size !== 0) size--;
  const grouped = atLeastFloat32(x).reshape([size, batch / size, channels, height, width]);
  const variance = grouped
    .sub(grouped.mean([0]))
    .square()
    .mean([0]); // [B / G, C, H, W]
  const deviation = variance.add(1e-8).sqrt().mean([1, 2, 3]); // [B / G]
  const channel = deviation.reshape([-1, 1, 1, 1]).repeat([size, 1, height, width]);
  return torch.cat([x, channel.to(x.dtype)], 1); // [B, C + 1, H, W]
}
