/**
 * Convolutional blocks of the encoder and decoder (arXiv 2012.09841, appendix A):
 * group-normalised residual blocks, single-head attention over positions, and resampling by two.
 *
 * Shapes in this folder: B images, C channels, images of H × W pixels, latents of h × w positions, f = H / h pixels per
 * position.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import {
  alone,
  count,
  counts,
  flag,
  natural,
  number,
  only,
  type Given,
  type Settings,
} from '../../config/schema.js';

const middleAttention = 'a coarsest level without attention is not supported';

export const backboneSchema = {
  /** Width of the finest level; every width must be a multiple of 32. */
  ch: count(),
  /** Channels of the decoder's output. */
  outCh: count(),
  /** Width of each level as a multiple of `ch`, finest first; each level after the first halves the image. Default [1, 2, 4, 8]. */
  chMult: counts([1, 2, 4, 8]),
  /** Residual blocks per level of the encoder; the decoder has one more. */
  numResBlocks: natural(),
  /** Levels whose nominal side, counted from `resolution`, is in this list get attention after each block. */
  attnResolutions: counts(),
  /** Dropout inside the residual blocks. Default 0. */
  dropout: number(0),
  /** If true (default), resample with a convolution; otherwise by average pooling and nearest-neighbour repetition. */
  resampWithConv: flag(true),
  /** Channels of the encoder's input. */
  inChannels: count(),
  /** Nominal image side. It only determines where attention is placed; any multiple of the downsampling factor works. */
  resolution: count(),
  /** Channels of the latent. */
  zChannels: count(),
  /** If true, the encoder outputs 2 · zChannels (mean and variance). Default true as in the reference; VQGANs use false. */
  doubleZ: flag(true),
  /** If true, the decoder stops before its last norm and convolution. Default false. */
  givePreEnd: flag(false),
  /** Latent diffusion's names for the attention used here; xformers computes the same with another kernel. */
  attnType: only(
    ['vanilla', 'vanilla-xformers'],
    'only attention with one head over all positions is supported',
  ),
  /** Latent diffusion: a tanh at the end of the decoder. */
  tanhOut: alone(false, 'a tanh at the end of the decoder is not supported'),
  /** Latent diffusion: linear attention. */
  useLinearAttn: alone(false, 'linear attention is not supported'),
  /** Diffusion models: an embedding of the time step, which autoencoders do not have. */
  useTimestep: alone(false, 'an embedding of time steps is not supported'),
  /** Activation checkpointing, which does not change results. */
  useCheckpoint: alone(
    false,
    'activation checkpointing is not a setting of the model; use training.activationCheckpointing or checkpointBlocks',
  ),
  /** Attention at the coarsest level, which every backbone here has. */
  midAttn: alone(true, middleAttention),
  /** Another name of `midAttn`. */
  useMidAttn: alone(true, middleAttention),
  /** VAR's name of `midAttn`. */
  usingMidSa: alone(true, middleAttention),
};

/** Configuration of the encoder and decoder: the reference's `ddconfig` in camelCase. */
export type BackboneConfig = Given<typeof backboneSchema>;

/** A `BackboneConfig` with its defaults filled in. */
export type Backbone = Settings<typeof backboneSchema>;

const groups = 32;

/** Returns the group normalisation used throughout the backbone: 32 groups, eps 1e-6. */
export function normalize(channels: number): nn.GroupNorm {
  if (channels % groups !== 0) {
    throw new RangeError(
      `a level of ${channels} channels cannot be normalised in ${groups} groups: choose ch and chMult so that every width is a multiple of ${groups}`,
    );
  }
  return new nn.GroupNorm(groups, channels, { eps: 1e-6 });
}

/**
 * Returns x · sigmoid(x). Without autograd it overwrites `x`, because each activation of the f16 decoder
 * takes 134 MB at 512×512. Pass only tensors that are not read afterwards.
 */
export function swish(x: Tensor): Tensor {
  return torch.isGradEnabled() ? F.silu(x) : x.silu_();
}

/** Returns `norm` followed by `swish`, fused into one kernel where available. The CPU has no fused kernel. */
export function normSwish(norm: nn.GroupNorm): (x: Tensor) => Tensor {
  return (x) => {
    const { numGroups, weight, bias, eps } = norm;
    return torch.cuda.fusesGroupNormSilu(x, numGroups, weight, bias)
      ? torch.cuda.groupNormSilu(x, numGroups, weight, bias, eps)
      : nn.chain(x, norm, swish);
  };
}

/** Residual block: norm → swish → 3×3 convolution, twice, plus the input (via a 1×1 convolution if the width changes). */
export class ResnetBlock extends nn.Module {
  readonly norm1: nn.GroupNorm;
  readonly conv1: nn.Conv2d;
  readonly norm2: nn.GroupNorm;
  readonly dropout: nn.Dropout;
  readonly conv2: nn.Conv2d;
  readonly ninShortcut: nn.Conv2d | null;

  constructor(inChannels: number, outChannels: number, dropout = 0) {
    super();
    this.norm1 = normalize(inChannels);
    this.conv1 = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.norm2 = normalize(outChannels);
    this.dropout = new nn.Dropout(dropout);
    this.conv2 = new nn.Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.ninShortcut = inChannels === outChannels ? null : new nn.Conv2d(inChannels, outChannels, 1);
  }

  override forward(x: Tensor): Tensor {
    const [first, second] = [normSwish(this.norm1), normSwish(this.norm2)];
    const h = nn.chain(x, first, this.conv1, second, this.dropout, this.conv2); // [B, Cout, H, W]
    // Safe in place: the backward of a convolution does not read its output.
    return h.add_(this.ninShortcut ? this.ninShortcut.forward(x) : x); // [B, Cout, H, W]
  }
}

/** Single-head self-attention over all positions; queries, keys and values are 1×1 convolutions. */
export class AttnBlock extends nn.Module {
  readonly norm: nn.GroupNorm;
  readonly q: nn.Conv2d;
  readonly k: nn.Conv2d;
  readonly v: nn.Conv2d;
  readonly projOut: nn.Conv2d;

  constructor(channels: number) {
    super();
    this.norm = normalize(channels);
    this.q = new nn.Conv2d(channels, channels, 1);
    this.k = new nn.Conv2d(channels, channels, 1);
    this.v = new nn.Conv2d(channels, channels, 1);
    this.projOut = new nn.Conv2d(channels, channels, 1);
  }

  override forward(x: Tensor): Tensor {
    const [b, c, height, width] = x.shape as [number, number, number, number];
    const tokens = (t: Tensor) =>
      t
        .reshape([b, 1, c, height * width])
        .transpose(2, 3)
        .contiguous(); // [B, 1, H·W, C]
    const h = torch.scope(() => {
      const normed = this.norm.forward(x);
      const q = tokens(this.q.forward(normed));
      const k = tokens(this.k.forward(normed));
      const v = tokens(this.v.forward(normed));
      return F.scaledDotProductAttention(q, k, v); // scale C^-0.5
    });
    const image = (t: Tensor) => t.transpose(2, 3).reshape([b, c, height, width]); // of [B, 1, H·W, C]
    const out = nn.chain(h, image, this.projOut);
    h.dispose();
    return out.add_(x); // [B, C, H, W]
  }
}

/** Halves height and width. The convolution pads one row at the bottom and one column at the right only. */
export class Downsample extends nn.Module {
  readonly conv: nn.Conv2d | null;

  constructor(channels: number, withConv = true) {
    super();
    this.conv = withConv ? new nn.Conv2d(channels, channels, 3, { stride: 2 }) : null;
  }

  override forward(x: Tensor): Tensor {
    if (!this.conv) return F.avgPool2d(x, 2, { stride: 2 });
    return this.conv.forward(F.pad(x, [0, 1, 0, 1])); // [B, C, H / 2, W / 2]
  }
}

/** Doubles height and width by nearest-neighbour repetition, then applies a 3×3 convolution. */
export class Upsample extends nn.Module {
  readonly conv: nn.Conv2d | null;

  constructor(channels: number, withConv = true) {
    super();
    this.conv = withConv ? new nn.Conv2d(channels, channels, 3, { padding: 1 }) : null;
  }

  override forward(x: Tensor): Tensor {
    const h = F.interpolate(x, { scaleFactor: 2, mode: 'nearest' }); // [B, C, 2H, 2W]
    return this.conv ? this.conv.forward(h) : h;
  }
}

/** The coarsest level of the encoder and decoder: block, attention, block. */
export class Middle extends nn.Module {
  static readonly keys = { block1: 'block_1', attn1: 'attn_1', block2: 'block_2' };
  readonly block1: ResnetBlock;
  readonly attn1: AttnBlock;
  readonly block2: ResnetBlock;

  constructor(channels: number, dropout: number) {
    super();
    this.block1 = new ResnetBlock(channels, channels, dropout);
    this.attn1 = new AttnBlock(channels);
    this.block2 = new ResnetBlock(channels, channels, dropout);
  }

  override forward(x: Tensor): Tensor {
    return nn.chain(x, this.block1, this.attn1, this.block2);
  }
}

/** Returns the width of each level, finest first, and whether it has attention. */
export function levelsOf({ ch, chMult, attnResolutions, resolution }: Backbone) {
  if (chMult.length === 0)
    throw new RangeError('chMult is empty: give one multiple of ch per level, finest first');
  return chMult.map((multiple, level) => ({
    width: ch * multiple,
    attention: attnResolutions.includes(Math.floor(resolution / 2 ** level)),
  }));
}

export interface LevelOptions {
  /** Number of residual blocks. */
  depth: number;
  /** If true, each block is followed by attention. */
  attention: boolean;
  /** Dropout inside the blocks. */
  dropout: number;
  /** Makes the layer that halves the image at the end. */
  downsample?: (() => Downsample) | null;
  /** Makes the layer that doubles the image at the end. */
  upsample?: (() => Upsample) | null;
}

/** One resolution level: residual blocks, each optionally followed by attention, then an optional resampling. */
export class Level extends nn.Module {
  readonly block: nn.ModuleList<ResnetBlock>;
  readonly attn: nn.ModuleList<AttnBlock>;
  readonly downsample: Downsample | null;
  readonly upsample: Upsample | null;

  constructor(inChannels: number, outChannels: number, options: LevelOptions) {
    super();
    const { depth, attention, dropout, downsample, upsample } = options;
    this.block = new nn.ModuleList();
    this.attn = new nn.ModuleList();
    // Blocks and attention alternate, because this is the order in which initial weights are drawn.
    for (let i = 0; i < depth; i++) {
      this.block.push(new ResnetBlock(i === 0 ? inChannels : outChannels, outChannels, dropout));
      if (attention) this.attn.push(new AttnBlock(outChannels));
    }
    this.downsample = downsample?.() ?? null;
    this.upsample = upsample?.() ?? null;
  }

  override forward(x: Tensor): Tensor {
    const attn = [...this.attn];
    const blocks = [...this.block].flatMap((block, i) => [block, attn[i]]);
    const stages = [...blocks, this.downsample, this.upsample].filter((stage) => stage instanceof nn.Module);
    return nn.chain(x, ...stages);
  }
}

/** Settings that all published backbones share. */
const published = {
  doubleZ: false,
  zChannels: 256,
  resolution: 256,
  inChannels: 3,
  outCh: 3,
  ch: 128,
  numResBlocks: 2,
  dropout: 0,
};

/** Backbones of the published models; combine with `nEmbed` and `embedDim`: `new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 })`. */
export const backbones = {
  /** 16×16 pixels per code: ImageNet, FacesHQ, S-FLCKR (embedDim 256). */
  f16: { ...published, chMult: [1, 1, 2, 2, 4], attnResolutions: [16] },
  /** 8×8 pixels per code: GumbelVQ (nEmbed 8192, embedDim 256). */
  f8: { ...published, chMult: [1, 1, 2, 4], attnResolutions: [32] },
} satisfies Record<string, BackboneConfig>;
