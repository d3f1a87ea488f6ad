/**
 * Blocks of FID's Inception, as tables of branches. Names are the published keys: torchvision's, for weights that were
 * converted from TensorFlow's inception-2015-12-05.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';

type Kernel = number | [height: number, width: number];

/** Convolution with batch normalisation and ReLU. */
export class BasicConv2d extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly bn: nn.BatchNorm2d;

  constructor(
    inWidth: number,
    outWidth: number,
    kernel: Kernel,
    { stride = 1, padding = 0 }: { stride?: number; padding?: number | [number, number] } = {},
  ) {
    super();
    this.conv = new nn.Conv2d(inWidth, outWidth, kernel, { stride, padding, bias: false });
    this.bn = new nn.BatchNorm2d(outWidth, { eps: 0.001 });
  }

  override forward(x: Tensor): Tensor {
    return nn.chain(x, this.conv, this.bn, (h: Tensor) => h.relu_());
  }
}

/** A convolution of a block. With stride 1 it keeps the size of its map; with stride 2 it is not padded. */
interface Unit {
  name: string;
  width: number;
  kernel: Kernel;
  stride: 1 | 2;
}

/** A pooling, or convolutions side by side, mostly a single one. */
type Stage = ((x: Tensor) => Tensor) | readonly Unit[];
type Branch = readonly Stage[];

const unit = (name: string, width: number, kernel: Kernel, stride: 1 | 2 = 1): [Unit] => [
  { name, width, kernel, stride },
];

/** Returns convolutions one after the other, called `name_1`, `name_2`, … */
const chain = (name: string, ...units: readonly [width: number, kernel: Kernel, stride?: 1 | 2][]): Branch =>
  units.map((settings, i) => unit(`${name}_${i + 1}`, ...settings));

/** TensorFlow's average pooling, which leaves padded zeros out of the average. */
const average = (x: Tensor): Tensor => x.avgPool2d(3, 1, 1, false, false);
const maximum = (x: Tensor): Tensor => x.maxPool2d(3, { stride: 1, padding: 1 });
/** Halves the sides of a map by its maxima. */
export const halving = (x: Tensor): Tensor => x.maxPool2d(3, { stride: 2 });

/** Branches that read the same map and whose outputs are joined as channels. */
export class InceptionBlock extends nn.ModuleDict<BasicConv2d> {
  readonly #branches: readonly Branch[];

  constructor(inWidth: number, branches: readonly Branch[]) {
    super(new Map(branches.flatMap((branch) => convolutionsOf(inWidth, branch))));
    this.#branches = branches;
  }

  override forward(x: Tensor): Tensor {
    const outputs = this.#branches.map((branch) => branch.reduce((h, stage) => this.#stage(h, stage), x));
    return torch.cat(outputs, 1); // [B, C, h, w]
  }

  #stage(x: Tensor, stage: Stage): Tensor {
    if (typeof stage === 'function') return stage(x);
    const outputs = stage.map(({ name }) => this.get(name).forward(x));
    return outputs.length === 1 ? outputs[0]! : torch.cat(outputs, 1);
  }
}

function convolutionsOf(inWidth: number, branch: Branch): [string, BasicConv2d][] {
  let width = inWidth;
  return branch.flatMap((stage) => {
    if (typeof stage === 'function') return [];
    const own = stage.map(({ name, width: outWidth, kernel, stride }): [string, BasicConv2d] => {
      const [height, across] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
      const padding: [number, number] = stride === 1 ? [(height - 1) / 2, (across - 1) / 2] : [0, 0];
      return [name, new BasicConv2d(width, outWidth, kernel, { stride, padding })];
    });
    width = stage.reduce((sum, each) => sum + each.width, 0);
    return own;
  });
}

const dbl = (first: number, second: number, stride: 1 | 2 = 1): Branch =>
  chain('branch3x3dbl', [first, 1], [second, 3], [second, 3, stride]);

/** Returns a block at 35 × 35 (for images of 299 × 299), of 224 + `pool` channels. */
export const blockA = (inWidth: number, pool: number): InceptionBlock =>
  new InceptionBlock(inWidth, [
    [unit('branch1x1', 64, 1)],
    chain('branch5x5', [48, 1], [64, 5]),
    dbl(64, 96),
    [average, unit('branch_pool', pool, 1)],
  ]);

/** Returns the block from 35 × 35 to 17 × 17. */
export const blockB = (inWidth: number): InceptionBlock =>
  new InceptionBlock(inWidth, [[unit('branch3x3', 384, 3, 2)], dbl(64, 96, 2), [halving]]);

/** Returns a block at 17 × 17 of 768 channels, `inner` between its convolutions of 7. */
export const blockC = (inWidth: number, inner: number): InceptionBlock =>
  new InceptionBlock(inWidth, [
    [unit('branch1x1', 192, 1)],
    chain('branch7x7', [inner, 1], [inner, [1, 7]], [192, [7, 1]]),
    chain('branch7x7dbl', [inner, 1], [inner, [7, 1]], [inner, [1, 7]], [inner, [7, 1]], [192, [1, 7]]),
    [average, unit('branch_pool', 192, 1)],
  ]);

/** Returns the block from 17 × 17 to 8 × 8. */
export const blockD = (inWidth: number): InceptionBlock =>
  new InceptionBlock(inWidth, [
    chain('branch3x3', [192, 1], [320, 3, 2]),
    chain('branch7x7x3', [192, 1], [192, [1, 7]], [192, [7, 1]], [192, 3, 2]),
    [halving],
  ]);

/** Returns two convolutions side by side, across and along. */
const both = (name: string, width: number): Stage => [
  ...unit(`${name}a`, width, [1, 3]),
  ...unit(`${name}b`, width, [3, 1]),
];

/** Returns a block at 8 × 8 of 2048 channels. FID's last one pools by the maximum, which the paper's does not. */
export const blockE = (inWidth: number, pooling: 'average' | 'maximum'): InceptionBlock =>
  new InceptionBlock(inWidth, [
    [unit('branch1x1', 320, 1)],
    [...chain('branch3x3', [384, 1]), both('branch3x3_2', 384)],
    [...chain('branch3x3dbl', [448, 1], [384, 3]), both('branch3x3dbl_3', 384)],
    [pooling === 'average' ? average : maximum, unit('branch_pool', 192, 1)],
  ]);
