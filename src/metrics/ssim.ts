/** Structural similarity (Wang et al., 2004) and its form over several scales (Wang et al., 2003). */
import * as torch from '../torch/index.js';
import * as F from '../torch/nn/functional.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Metric } from './metric.js';
import { imagePair, type RangeOptions } from './pair.js';

export interface SsimOptions extends RangeOptions {
  /**
   * Weights of the pixels around each pixel: `gaussian` (11 × 11, σ 1.5, population covariance), the protocol of the
   * paper, scikit-image's `gaussian_weights` and pytorch-msssim; or `uniform` (7 × 7, sample covariance), scikit-image's
   * default. Default `gaussian`.
   */
  window?: 'gaussian' | 'uniform';
  /** Side of the window in pixels, an odd number. Default 11 for `gaussian`, 7 for `uniform`. */
  windowSize?: number;
  /** Standard deviation of the Gaussian window in pixels. Default 1.5. */
  sigma?: number;
  /** `sample` divides covariances by n − 1 instead of n, the number of pixels in the window. Default: see `window`. */
  covariance?: 'population' | 'sample';
  /**
   * `valid` averages over the pixels whose window lies within the image; `reflect` over all, with the image mirrored at
   * its border, as torchmetrics does. Default `valid`.
   */
  border?: 'valid' | 'reflect';
}

/** Wang's constants: (K₁ · range)² and (K₂ · range)² keep quotients finite where an image is flat. */
const [K1, K2] = [0.01, 0.03];

interface Window {
  /** Weights along one side, as many as its pixels. */
  weights: readonly number[];
  size: number;
  /** Factor on covariances. */
  correction: number;
  border: 'valid' | 'reflect';
}

function windowOf(options: SsimOptions): Window {
  const { window = 'gaussian', sigma = 1.5, border = 'valid' } = options;
  const gaussian = window === 'gaussian';
  const { windowSize: size = gaussian ? 11 : 7, covariance = gaussian ? 'population' : 'sample' } = options;
  if (!(Number.isInteger(size) && size % 2 === 1 && size > 1)) {
    throw new RangeError(`windowSize is a side in pixels, an odd number of at least 3; got ${size}`);
  }
  if (!(sigma > 0)) throw new RangeError(`sigma is a positive number of pixels; got ${sigma}`);
  const heights = Array.from({ length: size }, (_, i) =>
    gaussian ? Math.exp((i - (size - 1) / 2) ** 2 / (-2 * sigma ** 2)) : 1,
  );
  const sum = heights.reduce((total, height) => total + height, 0);
  const pixels = size ** 2;
  const correction = covariance === 'sample' ? pixels / (pixels - 1) : 1;
  return { weights: heights.map((height) => height / sum), size, correction, border };
}

/** Averages maps [N, H, W] over the window around each pixel: [N, H', W']. */
function averaged(maps: Tensor, { weights, size, border }: Window): Tensor {
  const half = (size - 1) / 2;
  const x = border === 'reflect' ? F.pad(maps, [half, half, half, half], { mode: 'reflect' }) : maps;
  return alongSide(alongSide(x, weights, 1), weights, 2);
}

/** Sums shifted maps: in float64, five times as fast as a convolution with one channel. */
function alongSide(maps: Tensor, weights: readonly number[], dim: number): Tensor {
  const length = maps.shape[dim]! - weights.length + 1;
  const sum = maps.narrow(dim, 0, length).mul(weights[0]!);
  for (const [i, weight] of weights.entries()) {
    if (i > 0) sum.add_(maps.narrow(dim, i, length), { alpha: weight });
  }
  return sum;
}

/** Returns the similarity and its contrast part at every pixel, each [B, C, H', W']. */
function similarity(a: Tensor, b: Tensor, range: number, window: Window): { full: Tensor; contrast: Tensor } {
  const [batch = 0, channels = 0, height = 0, width = 0] = a.shape;
  const maps = torch.stack([a, b, a.square(), b.square(), a.mul(b)]).reshape([-1, height, width]);
  const smooth = averaged(maps, window);
  const means = smooth.reshape([5, batch, channels, smooth.shape[1]!, smooth.shape[2]!]).unbind();
  const [meanA, meanB, squareA, squareB, product] = means as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const covariance = product.sub(meanA.mul(meanB)).mul(window.correction);
  const variances = squareA.add(squareB).sub(meanA.square()).sub(meanB.square()).mul(window.correction);
  const [c1, c2] = [(K1 * range) ** 2, (K2 * range) ** 2];
  const contrast = covariance.mul(2).add(c2).div(variances.add(c2));
  const luminance = meanA.mul(meanB).mul(2).add(c1).div(meanA.square().add(meanB.square()).add(c1));
  return { full: luminance.mul(contrast), contrast };
}

/** Returns `ssim` of each image as a tensor [B], float64, on the images' device. */
export function ssimTensor(first: Tensor, second: Tensor, options: SsimOptions = {}): Tensor {
  return unrecorded(() => {
    const { a, b, range } = imagePair(first, second, options, 'ssim');
    const window = windowOf(options);
    expectSides(a, leastSide(window), `ssim with a window of ${window.size} pixels`);
    // float64: variances are small differences of large numbers. Image by image: that takes a dozen maps.
    const values = a.unbind().map((image, i) =>
      torch.scope(() => {
        const [one, other] = [image, b.select(0, i)].map((x) => x.double().unsqueeze(0));
        return similarity(one!, other!, range, window).full.mean();
      }),
    );
    return torch.stack(values);
  });
}

/**
 * Returns the structural similarity (SSIM) of each image, between −1 and 1; 1 for equal images. Takes two batches
 * [B, C, H, W] and computes in float64; channels are averaged. K₁ and K₂ are 0.01 and 0.03.
 *
 * Without `range`, images are in [−1, 1], and values outside it are clamped.
 *
 * @throws ShapeError for different shapes, and for images that are smaller than the window
 *
 * @example
 * ```ts
 * const image = torch.rand([2, 3, 64, 64]);
 * const perImage = ssim(image, image.mul(0.9), { range: 1 }); // two numbers
 * const scikit = ssim(image, image.mul(0.9), { range: 1, window: 'uniform' });
 * ```
 */
export function ssim(a: Tensor, b: Tensor, options: SsimOptions = {}): number[] {
  return torch.scope(() => ssimTensor(a, b, options).tolist() as number[]);
}

/** Weights of the five scales, from the finest. */
const SCALES = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

export interface MsSsimOptions extends RangeOptions {
  /**
   * Implementation whose border rules are followed. `pytorch-msssim` pads odd sides with zeros, which count, before they
   * are halved. `torchmetrics` leaves out their last line, and averages the fifth scale's similarity over all pixels,
   * with the image mirrored at its border. Default `pytorch-msssim`.
   */
  rule?: 'pytorch-msssim' | 'torchmetrics';
}

/**
 * Returns the multi-scale structural similarity (MS-SSIM) of each image: with the Gaussian window, the contrast terms
 * of four scales and the similarity of the fifth, negative ones as 0, to the powers of their weights. Takes two batches
 * [B, C, H, W] with sides of more than 160 and computes in float64; channels are averaged.
 *
 * @throws ShapeError for different shapes, and for images that are too small
 *
 * @example
 * ```ts
 * const image = torch.rand([2, 3, 176, 176]);
 * const perImage = msSsim(image, image.mul(0.9), { range: 1 }); // two numbers
 * ```
 */
export function msSsim(first: Tensor, second: Tensor, options: MsSsimOptions = {}): number[] {
  return unrecorded(() => {
    const pair = imagePair(first, second, options, 'msSsim');
    const valid = windowOf({});
    expectSides(pair.a, (valid.size - 1) * 2 ** (SCALES.length - 1) + 1, 'msSsim');
    const torchmetrics = options.rule === 'torchmetrics';
    let [a, b] = [pair.a.double(), pair.b.double()];
    let product: Tensor | null = null; // [B, C]
    for (const [scale, weight] of SCALES.entries()) {
      const last = scale === SCALES.length - 1;
      const border = torchmetrics && last ? 'reflect' : 'valid';
      const { full, contrast } = similarity(a, b, pair.range, { ...valid, border });
      const term = (last ? full : contrast).mean([2, 3]).relu().pow(weight);
      product = product ? product.mul(term) : term;
      if (!last) [a, b] = [halved(a, !torchmetrics), halved(b, !torchmetrics)];
    }
    return product!.mean([1]).tolist() as number[];
  });
}

function halved(images: Tensor, padded: boolean): Tensor {
  const [, , height = 0, width = 0] = images.shape;
  return images.avgPool2d([2, 2], [2, 2], padded ? [height % 2, width % 2] : [0, 0]);
}

/** Returns the smallest side that a window fits: mirroring needs one pixel more than it adds. */
const leastSide = ({ size, border }: Pick<Window, 'size' | 'border'>): number =>
  border === 'reflect' ? (size + 1) / 2 : size;

function expectSides(images: Tensor, least: number, owner: string): void {
  const [, , height = 0, width = 0] = images.shape;
  if (height >= least && width >= least) return;
  throw new torch.ShapeError(
    `${owner} needs images of at least ${least} × ${least}, got ${height} × ${width}`,
  );
}

const WINDOW = 11;

/** SSIM of reconstructions; images smaller than its window have none. */
export const ssimMetric: Metric = {
  name: 'ssim',
  label: 'SSIM of reconstructions',
  short: 'SSIM',
  digits: 4,
  better: 'higher',
  curve: { chart: 'held-out reconstructions, SSIM', name: 'held-out' },
  protocol: { window: `gaussian ${WINDOW} × ${WINDOW}, σ 1.5`, range: 2, clamped: true, border: 'valid' },
  ofImages: ({ images, reconstruction }) =>
    Math.min(...images.shape.slice(2)) < WINDOW ? null : ssimTensor(reconstruction, images),
};
