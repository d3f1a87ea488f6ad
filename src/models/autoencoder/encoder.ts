/** The encoder: an image to a grid of latent vectors (arXiv 2012.09841, appendix A, table 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import type { BackboneConfig } from './blocks.js';
import { Downsample, Level, Middle, backboneSchema, chain, normalize, normSwish } from './blocks.js';

/** One resolution of the encoder: blocks, then a halving on all levels but the coarsest. */
class DownLevel extends Level {
  readonly downsample: Downsample | null;

  constructor(
    inChannels: number,
    outChannels: number,
    depth: number,
    attention: boolean,
    dropout: number,
    resample: { withConv: boolean } | null,
  ) {
    super(inChannels, outChannels, depth, attention, dropout);
    this.downsample = resample ? new Downsample(outChannels, resample.withConv) : null;
  }

  override forward(x: Tensor): Tensor {
    const { downsample } = this;
    if (!downsample) return this.runBlocks(x);
    return chain(
      x,
      (h) => this.runBlocks(h),
      (h) => downsample.forward(h),
    );
  }
}

/**
 * [B, inChannels, H, W] → [B, zChannels (twice that with doubleZ), H / f, W / f] with f = 2^(levels − 1).
 * H and W must be multiples of f; anything else is a `ShapeError`.
 *
 * @example
 * ```ts
 * const encoder = new Encoder(backbones.f16);
 * const latent = encoder.forward(torch.zeros([1, 3, 64, 64])); // [1, 256, 4, 4]
 * ```
 */
export class Encoder extends nn.Module {
  /** From the picture to the finest level. */
  readonly convIn: nn.Conv2d;
  /** Finest level first. */
  readonly down: nn.ModuleList<DownLevel>;
  /** Residual blocks and attention at the coarsest level. */
  readonly mid: Middle;
  readonly normOut: nn.GroupNorm;
  /** To the latent, [B, zChannels (twice with doubleZ), h, w]. */
  readonly convOut: nn.Conv2d;
  /** Pixels per latent position and axis. */
  readonly downsamplingFactor: number;
  readonly inChannels: number;

  constructor(config: BackboneConfig) {
    super();
    const {
      ch,
      chMult,
      numResBlocks,
      attnResolutions,
      dropout,
      resampWithConv,
      inChannels,
      resolution,
      zChannels,
      doubleZ,
    } = readConfig(backboneSchema, config, 'Encoder');
    const coarsest = chMult.length - 1;
    const widths = chMult.map((multiple) => ch * multiple);
    const widest = widths[coarsest];
    if (widest === undefined)
      throw new RangeError('chMult is empty: give one multiple of ch per level, finest first');
    this.inChannels = inChannels;
    this.downsamplingFactor = 2 ** coarsest;

    this.convIn = new nn.Conv2d(inChannels, ch, 3, { padding: 1 });
    this.down = new nn.ModuleList(
      widths.map((width, level) => {
        const attention = attnResolutions.includes(Math.floor(resolution / 2 ** level));
        const resample = level < coarsest ? { withConv: resampWithConv } : null;
        return new DownLevel(widths[level - 1] ?? ch, width, numResBlocks, attention, dropout, resample);
      }),
    );
    this.mid = new Middle(widest, dropout);
    this.normOut = normalize(widest);
    this.convOut = new nn.Conv2d(widest, doubleZ ? 2 * zChannels : zChannels, 3, { padding: 1 });
  }

  override forward(x: Tensor): Tensor {
    this.#checkInput(x);
    return chain(
      x, // [B, inChannels, H, W]
      (h) => this.convIn.forward(h), // [B, ch, H, W]
      ...[...this.down].map((level) => (h: Tensor) => level.forward(h)), // … [B, widest, H / f, W / f]
      (h) => this.mid.forward(h),
      normSwish(this.normOut),
      (h) => this.convOut.forward(h), // [B, zChannels, H / f, W / f]
    );
  }

  #checkInput(x: Tensor): void {
    const f = this.downsamplingFactor;
    const [, channels, height = 0, width = 0] = x.shape;
    if (x.ndim !== 4 || channels !== this.inChannels) {
      throw new torch.ShapeError(
        `the encoder takes images [B, ${this.inChannels}, H, W], not [${x.shape.join(', ')}]`,
      );
    }
    if (height === 0 || width === 0 || height % f !== 0 || width % f !== 0) {
      throw new torch.ShapeError(
        `an image of ${height}×${width} does not divide into ${f}×${f} patches: crop or resize both sides to multiples of ${f}`,
      );
    }
  }
}

export type { DownLevel };
