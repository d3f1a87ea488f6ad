/** The Inception network of FID, KID and the Inception Score. */
import * as torch from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { loadCheckpoint } from '../../torch/io/index.js';
import type { Protocol } from '../protocol.js';
import { BasicConv2d, blockA, blockB, blockC, blockD, blockE, halving } from './blocks.js';

/** Side of the images that the network was trained on. */
const SIDE = 299;
/** Smallest side from which a pixel is left after the last block. */
const LEAST = 75;
const CLASSES = 1008;

export interface InceptionV3Config {
  /**
   * True to resize images to 299 × 299, as every published FID does: bilinear with half-pixel centres and without
   * antialiasing (`align_corners=False`). Without it, sides must be at least 75. Default true.
   */
  resize?: boolean;
}

/**
 * The Inception of FID (pytorch-fid's `InceptionV3` of `pt_inception-2015-12-05-6726825d.pth`), whose keys are those of
 * the published file. It differs from torchvision's: average pooling leaves padding out, and the last block pools by
 * the maximum. Its features are the 2048 averages of the last block.
 *
 * Images are [B, 3, H, W] in [−1, 1] (grey ones [B, 1, H, W] are repeated) and are resized as `resize` says. pytorch-fid
 * takes [0, 1] and makes [−1, 1] of it after resizing, which is the same. The weights cannot be distributed with this
 * package: `loadInception` reads them from a file.
 *
 * @example
 * ```ts
 * const inception = new InceptionV3({ resize: false }).eval();
 * const features = torch.noGrad(() => inception.forward(torch.zeros([1, 3, 75, 75]))); // [1, 2048]
 * const probabilities = inception.probabilities(features); // [1, 1008]
 * ```
 */
export class InceptionV3 extends nn.Module {
  /** Names of the fields in the published file. */
  static readonly keys = {
    conv1a: 'Conv2d_1a_3x3',
    conv2a: 'Conv2d_2a_3x3',
    conv2b: 'Conv2d_2b_3x3',
    conv3b: 'Conv2d_3b_1x1',
    conv4a: 'Conv2d_4a_3x3',
    mixed5b: 'Mixed_5b',
    mixed5c: 'Mixed_5c',
    mixed5d: 'Mixed_5d',
    mixed6a: 'Mixed_6a',
    mixed6b: 'Mixed_6b',
    mixed6c: 'Mixed_6c',
    mixed6d: 'Mixed_6d',
    mixed6e: 'Mixed_6e',
    mixed7a: 'Mixed_7a',
    mixed7b: 'Mixed_7b',
    mixed7c: 'Mixed_7c',
  };
  /** First convolution, [B, 32, 149, 149]. */
  readonly conv1a: nn.Module;
  /** [B, 32, 147, 147]. */
  readonly conv2a: nn.Module;
  /** [B, 64, 147, 147], then halved. */
  readonly conv2b: nn.Module;
  /** [B, 80, 73, 73]. */
  readonly conv3b: nn.Module;
  /** [B, 192, 71, 71], then halved. */
  readonly conv4a: nn.Module;
  /** [B, 256, 35, 35]. */
  readonly mixed5b: nn.Module;
  /** [B, 288, 35, 35]. */
  readonly mixed5c: nn.Module;
  /** [B, 288, 35, 35]. */
  readonly mixed5d: nn.Module;
  /** [B, 768, 17, 17]. */
  readonly mixed6a: nn.Module;
  /** [B, 768, 17, 17]. */
  readonly mixed6b: nn.Module;
  /** [B, 768, 17, 17]. */
  readonly mixed6c: nn.Module;
  /** [B, 768, 17, 17]. */
  readonly mixed6d: nn.Module;
  /** [B, 768, 17, 17]. */
  readonly mixed6e: nn.Module;
  /** [B, 1280, 8, 8]. */
  readonly mixed7a: nn.Module;
  /** [B, 2048, 8, 8], pooled by the average. */
  readonly mixed7b: nn.Module;
  /** [B, 2048, 8, 8], pooled by the maximum. */
  readonly mixed7c: nn.Module;
  /** Classifier of 1008 classes. */
  readonly fc: nn.Linear;
  readonly #resize: boolean;

  constructor({ resize = true }: InceptionV3Config = {}) {
    super();
    this.#resize = resize;
    this.conv1a = new BasicConv2d(3, 32, 3, { stride: 2 });
    this.conv2a = new BasicConv2d(32, 32, 3);
    this.conv2b = new BasicConv2d(32, 64, 3, { padding: 1 });
    this.conv3b = new BasicConv2d(64, 80, 1);
    this.conv4a = new BasicConv2d(80, 192, 3);
    this.mixed5b = blockA(192, 32);
    this.mixed5c = blockA(256, 64);
    this.mixed5d = blockA(288, 64);
    this.mixed6a = blockB(288);
    this.mixed6b = blockC(768, 128);
    this.mixed6c = blockC(768, 160);
    this.mixed6d = blockC(768, 160);
    this.mixed6e = blockC(768, 192);
    this.mixed7a = blockD(768);
    this.mixed7b = blockE(1280, 'average');
    this.mixed7c = blockE(2048, 'maximum');
    this.fc = new nn.Linear(2048, CLASSES);
    this.requiresGrad_(false);
  }

  /** Identity of the network and its resizing, for the protocol of a result. */
  get protocol(): Protocol {
    return {
      network: 'Inception of FID (2015-12-05), 2048 features',
      resize: this.#resize ? `bilinear to ${SIDE} × ${SIDE}, without antialiasing` : 'none',
    };
  }

  /** Returns images [B, 3 or 1, H, W] in [−1, 1] as the first convolution takes them: [B, 3, 299, 299]. */
  prepared(images: Tensor): Tensor {
    const [, channels = 0, height = 0, width = 0] = images.shape;
    const least = this.#resize ? 1 : LEAST;
    const fits = images.ndim === 4 && (channels === 3 || channels === 1);
    if (!fits || Math.min(height, width) < least) {
      throw new torch.ShapeError(
        `InceptionV3 takes images [B, 3, H, W], or grey ones [B, 1, H, W], in [−1, 1] with sides of at least ${least}; got [${images.shape.join(', ')}]`,
      );
    }
    const colours = images.expand([-1, 3, -1, -1]);
    if (!this.#resize || (height === SIDE && width === SIDE)) return colours;
    return F.interpolate(colours, { size: SIDE, mode: 'bilinear' });
  }

  /** Returns the features [B, 2048] of images. */
  override forward(images: Tensor): Tensor {
    const maps = nn.chain(
      this.prepared(images),
      this.conv1a,
      this.conv2a,
      this.conv2b,
      halving, // [B, 64, 73, 73]
      this.conv3b,
      this.conv4a,
      halving, // [B, 192, 35, 35]
      this.mixed5b,
      this.mixed5c,
      this.mixed5d, // [B, 288, 35, 35]
      this.mixed6a,
      this.mixed6b,
      this.mixed6c,
      this.mixed6d,
      this.mixed6e, // [B, 768, 17, 17]
      this.mixed7a,
      this.mixed7b,
      this.mixed7c, // [B, 2048, 8, 8]
    );
    return maps.mean([2, 3]);
  }

  /**
   * Returns the class probabilities [B, 1008] of features [B, 2048], for the Inception Score: like the score's own code,
   * without the classifier's bias.
   */
  probabilities(features: Tensor): Tensor {
    const { weight } = this.fc;
    const { device, dtype } = weight;
    return torch.noGrad(() => F.linear(features.to(device).to(dtype), weight).softmax(1));
  }
}

/** Entry that the published file may lack: it counts training batches, and changes nothing here. */
const COUNTER = /\.num_batches_tracked$/;

/**
 * Returns the Inception of FID with the weights of a file: the published one of pytorch-fid, or a safetensors file with
 * its keys.
 *
 * @throws StateDictError for other weights, such as those of torchvision's Inception
 *
 * @example
 * ```ts
 * const inception = await loadInception('pt_inception-2015-12-05-6726825d.pth');
 * const features = inception.forward(torch.zeros([1, 3, 64, 64])); // [1, 2048]
 * ```
 */
export async function loadInception(path: string, config: InceptionV3Config = {}): Promise<InceptionV3> {
  using file = await loadCheckpoint(path);
  const model = nn.skipInit(() => new InceptionV3(config));
  const missing = [...model.stateDict().keys()].filter((key) => !file.tensors.has(key));
  const onlyCounters = missing.length > 0 && missing.every((key) => COUNTER.test(key));
  model.loadStateDict(file.tensors, { strict: !onlyCounters });
  return model.eval();
}
