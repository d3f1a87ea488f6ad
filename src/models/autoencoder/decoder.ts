/** The decoder, which maps a grid of latent vectors to an image (arXiv 2012.09841, appendix A, table 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { backboneSchema, Level, levelsOf, Middle, normalize, normSwish, Upsample } from './blocks.js';
import type { BackboneConfig } from './blocks.js';

/**
 * Maps [B, zChannels, h, w] to [B, outCh, h · f, w · f] with f = 2^(levels − 1). Images are in [−1, 1], but the
 * output is not bounded; it is clamped only when images are saved.
 *
 * @example
 * ```ts
 * const decoder = new Decoder(backbones.f16);
 * const images = decoder.forward(torch.randn([1, 256, 4, 4])); // [1, 3, 64, 64]
 * ```
 */
export class Decoder extends nn.Module {
  /** Convolution from the latent to the widest level. */
  readonly convIn: nn.Conv2d;
  /** Residual blocks and attention at the coarsest level. */
  readonly mid: Middle;
  /** Levels, finest first as in the checkpoints; they run from last to first. */
  readonly up: nn.ModuleList<Level>;
  readonly normOut: nn.GroupNorm;
  /** Convolution to the image, [B, outCh, H, W]. */
  readonly convOut: nn.Conv2d;
  readonly givePreEnd: boolean;
  readonly zChannels: number;

  constructor(config: BackboneConfig) {
    super();
    const backbone = readConfig(backboneSchema, config, 'Decoder');
    const { outCh, numResBlocks, dropout, resampWithConv, zChannels, givePreEnd } = backbone;
    const levels = levelsOf(backbone);
    const { width: finest } = levels[0]!;
    const { width: widest } = levels.at(-1)!;
    this.givePreEnd = givePreEnd;
    this.zChannels = zChannels;

    this.convIn = new nn.Conv2d(zChannels, widest, 3, { padding: 1 });
    this.mid = new Middle(widest, dropout);
    // Built from coarse to fine, because this is the order in which initial weights are drawn.
    const coarseFirst = [...levels.entries()].reverse().map(([level, { width, attention }]) => {
      const upsample = level === 0 ? null : () => new Upsample(width, resampWithConv);
      const inWidth = levels[level + 1]?.width ?? widest;
      return new Level(inWidth, width, { depth: numResBlocks + 1, attention, dropout, upsample });
    });
    this.up = new nn.ModuleList(coarseFirst.reverse());
    this.normOut = normalize(finest);
    this.convOut = new nn.Conv2d(finest, outCh, 3, { padding: 1 });
  }

  override forward(z: Tensor): Tensor {
    if (z.ndim !== 4 || z.shape[1] !== this.zChannels) {
      throw new torch.ShapeError(
        `the decoder expects latents [B, ${this.zChannels}, h, w], got [${z.shape.join(', ')}]`,
      );
    }
    return nn.chain(
      z, // [B, zChannels, h, w]
      this.convIn, // [B, widest, h, w]
      this.mid,
      ...[...this.up].reverse(), // … [B, finest, h·f, w·f]
      ...(this.givePreEnd ? [] : [normSwish(this.normOut), this.convOut]), // [B, outCh, h·f, w·f]
    );
  }
}
