/** The decoder: a grid of latent vectors back to an image (arXiv 2012.09841, appendix A, table 7). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import type { BackboneConfig } from './blocks.js';
import { Level, Middle, Upsample, backboneSchema, chain, normalize, normSwish } from './blocks.js';

/** One resolution of the decoder: blocks, then a doubling on all levels but the finest. */
class UpLevel extends Level {
  readonly upsample: Upsample | null;

  constructor(
    inChannels: number,
    outChannels: number,
    depth: number,
    attention: boolean,
    dropout: number,
    resample: { withConv: boolean } | null,
  ) {
    super(inChannels, outChannels, depth, attention, dropout);
    this.upsample = resample ? new Upsample(outChannels, resample.withConv) : null;
  }

  override forward(x: Tensor): Tensor {
    const { upsample } = this;
    if (!upsample) return this.runBlocks(x);
    return chain(
      x,
      (h) => this.runBlocks(h),
      (h) => upsample.forward(h),
    );
  }
}

/**
 * [B, zChannels, h, w] → [B, outCh, h · f, w · f] with f = 2^(levels − 1). The output is unbounded;
 * images live in [−1, 1] and are clamped only where they are saved.
 *
 * @example
 * ```ts
 * const decoder = new Decoder(backbones.f16);
 * const images = decoder.forward(torch.randn([1, 256, 4, 4])); // [1, 3, 64, 64]
 * ```
 */
export class Decoder extends nn.Module {
  /** From the latent to the widest level. */
  readonly convIn: nn.Conv2d;
  /** Residual blocks and attention at the coarsest level. */
  readonly mid: Middle;
  /** Finest level first, as in the checkpoints; run from the last to the first. */
  readonly up: nn.ModuleList<UpLevel>;
  readonly normOut: nn.GroupNorm;
  /** To the picture, [B, outCh, H, W]. */
  readonly convOut: nn.Conv2d;
  readonly givePreEnd: boolean;
  readonly zChannels: number;

  constructor(config: BackboneConfig) {
    super();
    const {
      ch,
      outCh,
      chMult,
      numResBlocks,
      attnResolutions,
      dropout,
      resampWithConv,
      resolution,
      zChannels,
      givePreEnd,
    } = readConfig(backboneSchema, config, 'Decoder');
    const coarsest = chMult.length - 1;
    const widths = chMult.map((multiple) => ch * multiple);
    const [finestWidth] = widths;
    const widest = widths[coarsest];
    if (finestWidth === undefined || widest === undefined) {
      throw new RangeError('chMult is empty: give one multiple of ch per level, finest first');
    }
    this.givePreEnd = givePreEnd;
    this.zChannels = zChannels;

    this.convIn = new nn.Conv2d(zChannels, widest, 3, { padding: 1 });
    this.mid = new Middle(widest, dropout);
    const levels: UpLevel[] = [];
    // Made from coarse to fine, the order in which initial weights are drawn.
    for (let level = coarsest; level >= 0; level--) {
      const attention = attnResolutions.includes(Math.floor(resolution / 2 ** level));
      const resample = level > 0 ? { withConv: resampWithConv } : null;
      const inChannels = widths[level + 1] ?? widest;
      levels.unshift(
        new UpLevel(inChannels, widths[level] ?? widest, numResBlocks + 1, attention, dropout, resample),
      );
    }
    this.up = new nn.ModuleList(levels);
    this.normOut = normalize(finestWidth);
    this.convOut = new nn.Conv2d(finestWidth, outCh, 3, { padding: 1 });
  }

  override forward(z: Tensor): Tensor {
    if (z.ndim !== 4 || z.shape[1] !== this.zChannels) {
      throw new torch.ShapeError(
        `the decoder takes latents [B, ${this.zChannels}, h, w], not [${z.shape.join(', ')}]`,
      );
    }
    const last = [normSwish(this.normOut), (h: Tensor) => this.convOut.forward(h)];
    return chain(
      z, // [B, zChannels, h, w]
      (h) => this.convIn.forward(h), // [B, widest, h, w]
      (h) => this.mid.forward(h),
      ...[...this.up].reverse().map((level) => (h: Tensor) => level.forward(h)), // … [B, finest, h·f, w·f]
      ...(this.givePreEnd ? [] : last), // [B, outCh, h·f, w·f]
    );
  }
}

export type { UpLevel };
