/** The encoder, which maps an image to a grid of latent vectors (arXiv 2012.09841, appendix A, table 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { backboneSchema, Downsample, Level, levelsOf, Middle, normalize, normSwish } from './blocks.js';
import type { BackboneConfig } from './blocks.js';
import { strideOf } from './stride.js';

/**
 * Maps [B, inChannels, H, W] to [B, zChannels (twice that with doubleZ), H / f, W / f] with f = 2^(levels − 1).
 * H and W must be multiples of f; otherwise `forward` throws a `ShapeError`.
 *
 * @example
 * ```ts
 * const encoder = new Encoder(backbones.f16);
 * const latent = encoder.forward(torch.zeros([1, 3, 64, 64])); // [1, 256, 4, 4]
 * ```
 */
export class Encoder extends nn.Module {
  /** Convolution from the image to the finest level. */
  readonly convIn: nn.Conv2d;
  /** Levels, finest first. */
  readonly down: nn.ModuleList<Level>;
  /** Residual blocks and attention at the coarsest level. */
  readonly mid: Middle;
  readonly normOut: nn.GroupNorm;
  /** Convolution to the latent, [B, zChannels (twice with doubleZ), h, w]. */
  readonly convOut: nn.Conv2d;
  /** Pixels per latent position along each axis. */
  readonly downsamplingFactor: number;
  readonly inChannels: number;

  constructor(config: BackboneConfig) {
    super();
    const backbone = readConfig(backboneSchema, config, 'Encoder');
    const { ch, numResBlocks: depth, dropout, resampWithConv, inChannels, zChannels, doubleZ } = backbone;
    const levels = levelsOf(backbone);
    const { width: widest } = levels.at(-1)!;
    this.inChannels = inChannels;
    this.downsamplingFactor = strideOf(levels.length);

    this.convIn = new nn.Conv2d(inChannels, ch, 3, { padding: 1 });
    this.down = new nn.ModuleList(
      levels.map(({ width, attention }, level) => {
        const isCoarsest = level === levels.length - 1;
        const downsample = isCoarsest ? null : () => new Downsample(width, resampWithConv);
        const inWidth = levels[level - 1]?.width ?? ch;
        return new Level(inWidth, width, { depth, attention, dropout, downsample });
      }),
    );
    this.mid = new Middle(widest, dropout);
    this.normOut = normalize(widest);
    this.convOut = new nn.Conv2d(widest, doubleZ ? 2 * zChannels : zChannels, 3, { padding: 1 });
  }

  override forward(x: Tensor): Tensor {
    this.#checkInput(x);
    return nn.chain(
      x, // [B, inChannels, H, W]
      this.convIn, // [B, ch, H, W]
      ...this.down, // … [B, widest, H / f, W / f]
      this.mid,
      normSwish(this.normOut),
      this.convOut, // [B, zChannels, H / f, W / f]
    );
  }

  #checkInput(x: Tensor): void {
    const f = this.downsamplingFactor;
    const [, channels, height = 0, width = 0] = x.shape;
    if (x.ndim !== 4 || channels !== this.inChannels) {
      throw new torch.ShapeError(
        `the encoder expects images [B, ${this.inChannels}, H, W], got [${x.shape.join(', ')}]`,
      );
    }
    if (height === 0 || width === 0 || height % f !== 0 || width % f !== 0) {
      throw new torch.ShapeError(
        `an image of ${height}×${width} does not divide into ${f}×${f} patches: crop or resize both sides to multiples of ${f}`,
      );
    }
  }
}
