/** Held-out evaluation of a first stage: metrics, and a grid of reconstructions. */
import { saveImageGrid } from '../../../data/image-grid.js';
import type { ImageSource } from '../../../data/image-source.js';
import { inOrder } from '../../../data/loader.js';
import { countCodesOf } from '../../../metrics/codebook-use.js';
import { metricsOf } from '../../../metrics/definitions.js';
import type { Metric } from '../../../metrics/metric.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import * as nn from '../../../torch/nn/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { Figures as Metrics } from '../../stage.js';

/** Number of images measured at a time, and number measured during a run. */
const SHOWN = 32;
const COLUMNS = 8;

/**
 * Returns the fixed validation images of a run, spread over the held-out set: [N, 3, H, W]; null if none are held out.
 */
export async function validationPictures(heldOut: ImageSource, device: torch.Device): Promise<Tensor | null> {
  const count = Math.min(SHOWN, heldOut.length);
  if (count === 0) return null;
  const spread = Array.from({ length: count }, (_, i) => Math.floor((i * heldOut.length) / count));
  return torch.keep(await heldOut.read(spread, { device }));
}

/** Measures a batch of images by the metrics that are cheap enough to compute during a run. */
export function measureImages(model: FirstStage, images: Tensor): Metrics {
  const { reconstruction, indices } = reconstruct(model, images);
  const batch = { images, reconstruction, stride: model.stride };
  const counts = countCodesOf(numbers(indices), model.config.nEmbed);
  return measured(counts, (metric) => (metric.atEnd ? undefined : metric.ofImages(batch).mean().item()));
}

/** Measures all images of a source by every metric; empty if the source is. */
export async function measureSource(
  model: FirstStage,
  source: ImageSource,
  device: torch.Device,
): Promise<Metrics> {
  if (source.length === 0) return {};
  const sums = new Map<Metric, number>();
  const counts = new Float64Array(model.config.nEmbed);
  for await (const { images } of inOrder(source, SHOWN, { device })) {
    torch.scope(() => {
      const { reconstruction, indices } = reconstruct(model, images);
      const batch = { images, reconstruction, stride: model.stride };
      for (const metric of metricsOf.vqgan.filter(isOfImages)) {
        sums.set(metric, (sums.get(metric) ?? 0) + metric.ofImages(batch).sum().item());
      }
      countCodesOf(numbers(indices), counts.length).forEach((count, code) => (counts[code]! += count));
    });
    images.dispose();
  }
  return measured(counts, (metric) => sums.get(metric)! / source.length);
}

type OfImages = Extract<Metric, { ofImages: unknown }>;
const isOfImages = (metric: Metric): metric is OfImages => 'ofImages' in metric;

/** Returns the values of the first stage's metrics by name, in their order; metrics without a value are left out. */
function measured(counts: Float64Array, ofImages: (metric: OfImages) => number | undefined): Metrics {
  const values: Metrics = {};
  for (const metric of metricsOf.vqgan) {
    const value = isOfImages(metric)
      ? ofImages(metric)
      : 'ofCounts' in metric
        ? metric.ofCounts(counts)
        : undefined;
    if (value !== undefined) values[metric.name] = value;
  }
  return values;
}

/** Writes rows of inputs, reconstructions and errors; small images are enlarged. */
export async function saveReconstructions(model: FirstStage, pictures: Tensor, path: string): Promise<void> {
  const grid = torch.scope(() => {
    const images = pictures.narrow(0, 0, Math.min(COLUMNS, pictures.shape[0]!));
    const { reconstruction } = reconstruct(model, images);
    return torch.cat([images, reconstruction, errorMaps(images, reconstruction)]);
  });
  const [count = 0, , , width = 0] = grid.shape;
  await saveImageGrid(path, grid, { columns: count / 3, scale: Math.max(1, Math.floor(128 / width)) });
  grid.dispose();
}

function reconstruct(model: FirstStage, images: Tensor): { reconstruction: Tensor; indices: Tensor } {
  return nn.inEvaluation(model, () => torch.noGrad(() => model.forward(images)));
}

function numbers(indices: Tensor): BigInt64Array {
  return indices.flatten().to('cpu').toTypedArray() as BigInt64Array;
}

/**
 * Returns grey error maps [B, C, H, W] of two batches [B, C, H, W]: black is no difference, white is half of the range
 * or more.
 */
function errorMaps(images: Tensor, reconstructions: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const error = images.sub(reconstructions.clamp(-1, 1)).abs().mean([1], true); // [B, 1, H, W], 0 to 2
      return error.mul(2).sub(1).clamp(-1, 1).expand([-1, images.shape[1]!, -1, -1]).contiguous();
    }),
  );
}
