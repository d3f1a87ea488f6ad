/** The patch discriminator of MaskBit (arXiv 2409.16211). */
import { readConfig } from '../../config/read.js';
import { count, flag, oneOf, type Given } from '../../config/schema.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { blur, blurKernel } from './blur.js';
import type { Discriminator } from './discriminator.js';

const schema = {
  /** Channels of the images. Default 3. */
  numChannels: count(3),
  /** Width of the first stage; each later one has twice that of the stage before. Default 128. */
  hiddenChannels: count(128),
  /** Number of stages, each of which halves the side. Default 3. */
  numStages: count(3),
  /** If true, sides are halved by a blur, otherwise by a mean of 2×2. Default true. */
  blurResample: flag(true),
  /** Taps of the blur: 3, 4 or 5. Default 4. */
  blurKernelSize: oneOf(3, 4, 5)(4),
  /** Groups of group norm, which must divide the widths. Default 32. */
  groupNormGroups: count(32),
};

export type MaskBitDiscriminatorConfig = Given<typeof schema>;

/** Taps of the blurs by their number. */
const taps = { 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1] } as const;

/**
 * Maps images [B, C, H, W] of any size to one logit per patch, [B, 1, H′, W′], where H′ is H halved `numStages` times;
 * high values mean real. Neither it nor its group norm looks at several images together. State-dict keys are the
 * published ones. In YAML it is `tessera.discriminators.MaskBit`.
 *
 * @example
 * ```ts
 * const discriminator = new MaskBitDiscriminator({ hiddenChannels: 64 });
 * const logits = discriminator.forward(torch.rand([2, 3, 64, 64]).mul(2).sub(1)); // [2, 1, 8, 8]
 * ```
 */
export class MaskBitDiscriminator extends nn.Module implements Discriminator {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Channels of the input images. */
  readonly inChannels: number;
  readonly blockIn: nn.Sequential;
  /** Stages: a convolution, halving of the side, group norm and an activation each. */
  readonly blocks: nn.ModuleList;
  readonly toLogits: nn.Sequential;

  /** @throws RangeError if the groups do not divide the widths */
  constructor(config: MaskBitDiscriminatorConfig = {}) {
    super();
    const settings = readConfig(schema, config, 'MaskBitDiscriminator');
    const { numChannels, hiddenChannels, numStages, groupNormGroups } = settings;
    if (hiddenChannels % groupNormGroups !== 0) {
      throw new RangeError(
        `MaskBitDiscriminator: groupNormGroups is ${groupNormGroups}, which does not divide hiddenChannels ` +
          `(${hiddenChannels}): set one of them so that it does`,
      );
    }
    this.inChannels = numChannels;
    const activation = () => new nn.LeakyReLU(0.1);
    const halve = () =>
      settings.blurResample ? new HalvingBlur(taps[settings.blurKernelSize]) : new nn.AvgPool2d(2);
    // The first stage keeps the width, those after it double it.
    const width = (stage: number) => hiddenChannels * 2 ** Math.max(0, stage - 1);
    this.blockIn = new nn.Sequential(new SameConv(numChannels, hiddenChannels, 5), activation());
    const stages = Array.from({ length: numStages }, (_, i) => i + 1);
    this.blocks = new nn.ModuleList(
      stages.map(
        (stage) =>
          new nn.Sequential(
            new SameConv(width(stage - 1), width(stage), 3),
            halve(),
            new nn.GroupNorm(groupNormGroups, width(stage)),
            activation(),
          ),
      ),
    );
    const last = width(numStages);
    this.toLogits = new nn.Sequential(new SameConv(last, last, 1), activation(), new SameConv(last, 1, 5));
  }

  override forward(images: Tensor): Tensor {
    let x = this.blockIn.forward(images);
    for (const block of this.blocks) x = block.forward(x);
    return this.toLogits.forward(x); // [B, 1, H′, W′]
  }
}

/** A convolution that keeps the size; kernels have odd sides. */
class SameConv extends nn.Conv2d {
  constructor(inputs: number, outputs: number, size: 1 | 3 | 5) {
    super(inputs, outputs, size, { padding: (size - 1) / 2 });
  }
}

/** Blurs and takes every second position; the padding keeps ⌈side / 2⌉ of them, an odd row of it comes at the end. */
class HalvingBlur extends nn.Module {
  declare readonly kernel: Tensor; // [1, 1, taps, taps]

  constructor(line: readonly number[]) {
    super();
    this.registerBuffer('kernel', blurKernel(line).reshape([1, 1, line.length, line.length]));
  }

  override forward(x: Tensor): Tensor {
    const [height, width] = x.shape.slice(-2) as [number, number];
    const kernel = this.kernel.reshape(this.kernel.shape.slice(2)); // [taps, taps]
    const size = this.kernel.shape[3]!;
    const around = (side: number): [number, number] => {
      const all = Math.max(0, (Math.ceil(side / 2) - 1) * 2 + size - side);
      return [Math.floor(all / 2), Math.ceil(all / 2)];
    };
    return blur(F.pad(x, [...around(width), ...around(height)]), kernel, { stride: 2 });
  }
}
