/** LPIPS, the learned perceptual distance on VGG16 features (arXiv 1801.03924, weights version 0.1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { flag, type Given } from '../../config/schema.js';
import { atLeastFloat32 } from '../quantizers/latents.js';

const schema = {
  /**
   * If true, applies dropout before each level's weighting in training mode, as the reference's training did by
   * accident. Default false: the distance is deterministic in both modes.
   */
  useDropout: flag(false),
};

export type LPIPSConfig = Given<typeof schema>;

/** VGG16's five levels: the index of each level's first convolution in torchvision's `features`, and its widths. */
const vggLevels: readonly (readonly [first: number, ...widths: number[]])[] = [
  [0, 3, 64, 64],
  [5, 64, 128, 128],
  [10, 128, 256, 256, 256],
  [17, 256, 512, 512, 512],
  [24, 512, 512, 512, 512],
];

/** Widths of the five feature maps. */
const featureWidths = [64, 128, 256, 512, 512];

/** One for each level. */
type FiveOf<T> = [T, T, T, T, T];

/** Rescales images in [−1, 1] to the statistics VGG was trained with. */
class ScalingLayer extends nn.Module {
  declare shift: Tensor; // [1, 3, 1, 1]
  declare scale: Tensor; // [1, 3, 1, 1]

  constructor() {
    super();
    this.registerBuffer('shift', torch.tensor([-0.03, -0.088, -0.188]).reshape([1, 3, 1, 1]));
    this.registerBuffer('scale', torch.tensor([0.458, 0.448, 0.45]).reshape([1, 3, 1, 1]));
  }

  override forward(x: Tensor): Tensor {
    return x.sub(this.shift).div(this.scale); // [B, 3, H, W]; grey images are broadcast
  }
}

/** Convolutions of one level, each followed by a ReLU; keys are torchvision's indices. */
class VggLevel extends nn.ModuleDict<nn.Conv2d> {
  constructor([first, ...widths]: readonly [number, ...number[]]) {
    const convolution = (outWidth: number, i: number) =>
      [String(first + 2 * i), new nn.Conv2d(widths[i]!, outWidth, 3, { padding: 1 })] as const;
    super(new Map(widths.slice(1).map(convolution)));
  }

  override forward(x: Tensor): Tensor {
    // The ReLU can work in place: a convolution's backward does not read its output.
    return nn.chain(x, ...[...this].flatMap(([, convolution]) => [convolution, (h: Tensor) => h.relu_()]));
  }
}

/** Convolutional part of VGG16, split after the last ReLU of each level. */
class Vgg16Features extends nn.Module {
  readonly slice1: VggLevel;
  readonly slice2: VggLevel;
  readonly slice3: VggLevel;
  readonly slice4: VggLevel;
  readonly slice5: VggLevel;

  constructor() {
    super();
    const levels = vggLevels.map((level) => new VggLevel(level)) as FiveOf<VggLevel>;
    [this.slice1, this.slice2, this.slice3, this.slice4, this.slice5] = levels;
  }

  override forward(x: Tensor): Tensor[] {
    const features = [this.slice1.forward(x)]; // [B, 64, H, W]
    for (const slice of [this.slice2, this.slice3, this.slice4, this.slice5]) {
      const pooled = features.at(-1)!.maxPool2d(2, { stride: 2 });
      features.push(slice.forward(pooled)); // … [B, 512, H / 16, W / 16]
      pooled.dispose();
    }
    return features;
  }
}

/** Weights the channels of one level's squared differences. */
class NetLinLayer extends nn.Module {
  readonly model: nn.Sequential;

  constructor(channels: number, dropout: number) {
    super();
    this.model = new nn.Sequential(new nn.Dropout(dropout), new nn.Conv2d(channels, 1, 1, { bias: false }));
  }

  override forward(x: Tensor): Tensor {
    return this.model.forward(x); // [B, 1, H, W]
  }
}

/**
 * Perceptual distance between two batches of images in [−1, 1]; 0 for equal images. Its parameters are frozen.
 *
 * The weights cannot be distributed with this package. Until a complete state dict has been loaded, directly or
 * through an outer module, `loaded` is false and VQGAN's loss omits this term.
 *
 * @example
 * ```ts
 * const lpips = new LPIPS();
 * lpips.loadStateDict((await loadCheckpoint('lpips.safetensors')).tensors);
 * const distance = lpips.forward(torch.zeros([2, 3, 64, 64]), torch.ones([2, 3, 64, 64])); // [2, 1, 1, 1]
 * ```
 */
export class LPIPS extends nn.Module {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Minimum image side in pixels: four halvings leave one. */
  static readonly leastSide = 16;
  /** Rescales from [-1, 1] to VGG's input statistics. */
  readonly scalingLayer: ScalingLayer;
  /** VGG16 up to its fifth block. */
  readonly net: Vgg16Features;
  /** Channel weights of the first block. */
  readonly lin0: NetLinLayer;
  /** Channel weights of the second block. */
  readonly lin1: NetLinLayer;
  /** Channel weights of the third block. */
  readonly lin2: NetLinLayer;
  /** Channel weights of the fourth block. */
  readonly lin3: NetLinLayer;
  /** Channel weights of the fifth block. */
  readonly lin4: NetLinLayer;
  #loaded = false;

  constructor(config: LPIPSConfig = {}) {
    super();
    const dropout = readConfig(schema, config, 'LPIPS').useDropout ? 0.5 : 0;
    this.scalingLayer = new ScalingLayer();
    this.net = new Vgg16Features();
    const weightings = featureWidths.map((width) => new NetLinLayer(width, dropout)) as FiveOf<NetLinLayer>;
    [this.lin0, this.lin1, this.lin2, this.lin3, this.lin4] = weightings;
    this.requiresGrad_(false);
  }

  /** True if the weights have been loaded. */
  get loaded(): boolean {
    return this.#loaded;
  }

  protected override stateLoaded(complete: boolean): void {
    this.#loaded ||= complete;
  }

  /**
   * Returns the distances [B, 1, 1, 1] between two batches [B, 3, H, W] with sides of at least 16. Grey images
   * [B, 1, H, W] are treated as RGB.
   */
  override forward(a: Tensor, b: Tensor): Tensor {
    checkImages(a, b);
    const featuresA = this.net.forward(this.scalingLayer.forward(a));
    const featuresB = this.net.forward(this.scalingLayer.forward(b));
    const weightings = [this.lin0, this.lin1, this.lin2, this.lin3, this.lin4];
    let distance: Tensor | null = null;
    for (const [level, weighting] of weightings.entries()) {
      const part = torch.scope(() => {
        const difference = unitLength(featuresA[level]!).sub(unitLength(featuresB[level]!)); // [B, C, h, w]
        return weighting.forward(difference.square()).mean([2, 3], true); // [B, 1, 1, 1]
      });
      featuresA[level]!.dispose();
      featuresB[level]!.dispose();
      distance = distance ? distance.add(part) : part;
    }
    return distance!; // [B, 1, 1, 1]
  }
}

/**
 * Divides each position's feature vector by its length (plus 1e-10). The norm operator's gradient at a zero vector
 * is zero; the square root of a sum of squares, used by the reference, is not differentiable there and yields NaN.
 */
function unitLength(features: Tensor): Tensor {
  const x = atLeastFloat32(features);
  return x.div(torch.linalgVectorNorm(x, 2, [1], true).add(1e-10));
}

function checkImages(a: Tensor, b: Tensor): void {
  const { leastSide } = LPIPS;
  const fits =
    a.ndim === 4 && (a.shape[1] === 3 || a.shape[1] === 1) && a.shape.every((size, i) => size === b.shape[i]);
  if (fits && b.ndim === 4 && a.shape[2]! >= leastSide && a.shape[3]! >= leastSide) return;
  throw new torch.ShapeError(
    `LPIPS expects two batches of the same shape, [B, 3, H, W] or [B, 1, H, W] (grey), with H and W at least ${leastSide}; got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
  );
}

export type { NetLinLayer, ScalingLayer, Vgg16Features, VggLevel };
