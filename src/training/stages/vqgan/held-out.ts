/** Held-out evaluation of a first stage: metrics, and a grid of reconstructions. */
import { saveImageGrid } from '../../../data/pictures/image-grid.js';
import type { ImageSource } from '../../../data/image-source.js';
import { inOrder, type Batch } from '../../../data/batches/loader.js';
import { countCodesOf } from '../../../metrics/codebook-use.js';
import { confusionOf } from '../../../metrics/label-maps.js';
import { metricsOf } from '../../../metrics/definitions.js';
import type { Metric, PerceptualDistance } from '../../../metrics/metric.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import * as nn from '../../../torch/nn/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { MetricValues } from '../../stage.js';
import { shownImages } from '../shown-images.js';
import { readsLabels } from './segmentation-step.js';

/** Number of images measured at a time, and number measured during a run. */
const SHOWN = 32;
const COLUMNS = 8;

/**
 * Returns the part of a batch that a model is trained on, the images or their map `field`, and disposes of the rest.
 */
export function inputOf(batch: Pick<Batch, 'images' | 'fields'>, field: string | null): Tensor {
  const { images, fields } = batch;
  if (field === null) return images;
  images.dispose();
  return fields[field]!;
}

/**
 * Returns the fixed validation images of a run, or their map `field`, spread over the held-out set: [N, C, H, W]; null
 * if none are held out.
 */
export async function validationImages(
  heldOut: ImageSource,
  device: torch.Device,
  field: string | null = null,
): Promise<Tensor | null> {
  const count = Math.min(SHOWN, heldOut.length);
  if (count === 0) return null;
  const spread = Array.from({ length: count }, (_, i) => Math.floor((i * heldOut.length) / count));
  const { image: images, fields } = await heldOut.readExamples(spread, namesOf(field), { device });
  return torch.keep(inputOf({ images, fields }, field));
}

/** Returns the fields to read of each image. */
export const namesOf = (field: string | null): string[] => (field === null ? [] : [field]);

/** Measures a batch of images by the metrics that are cheap enough to compute during a run. */
export function measureImages(model: FirstStage, images: Tensor): MetricValues {
  const { reconstruction, indices } = reconstruct(model, images);
  const batch = { images, reconstruction, stride: model.stride };
  const counts = countCodesOf(numbers(indices), model.config.nEmbed);
  const confusion = readsLabels(model) ? confusionIn(images, reconstruction) : null;
  const ofImages = (metric: OfImages) => (metric.atEnd ? undefined : metric.ofImages(batch)?.mean().item());
  return measured(counts, confusion ?? ofImages);
}

export interface MeasureOptions {
  /** Number of images that run together. Default 32. */
  batch?: number;
  /** Distance for LPIPS. Default: none, and LPIPS is not measured. */
  perceptual?: PerceptualDistance | null;
  /** Called with each batch of images and their reconstructions, [B, C, H, W], in a scope. */
  onBatch?(this: void, images: Tensor, reconstruction: Tensor): void;
}

/** Measures all images of a source by every metric; empty if the source is. */
export async function measureSource(
  model: FirstStage,
  source: ImageSource,
  device: torch.Device,
  field: string | null = null,
  { batch: size = SHOWN, perceptual = null, onBatch }: MeasureOptions = {},
): Promise<MetricValues> {
  if (source.length === 0) return {};
  const labels = readsLabels(model);
  let confusion: Float64Array | null = null;
  const sums = new Map<Metric, number>();
  const counts = new Float64Array(model.config.nEmbed);
  for await (const given of inOrder(source, size, { device, fields: namesOf(field) })) {
    const images = inputOf(given, field);
    torch.scope(() => {
      const { reconstruction, indices } = reconstruct(model, images);
      const batch = { images, reconstruction, stride: model.stride, perceptual };
      if (labels) confusion = summed(confusion, confusionIn(images, reconstruction));
      for (const metric of labels ? [] : metricsOf.vqgan.filter(isOfImages)) {
        const values = metric.ofImages(batch);
        if (values) sums.set(metric, (sums.get(metric) ?? 0) + values.sum().item());
      }
      countCodesOf(numbers(indices), counts.length).forEach((count, code) => (counts[code]! += count));
      onBatch?.(images, reconstruction);
    });
    images.dispose();
  }
  return measured(counts, confusion ?? ((metric) => meanOf(sums.get(metric), source.length)));
}

const meanOf = (sum: number | undefined, count: number) => (sum === undefined ? sum : sum / count);

/** Counts labels [B, C, H, W], one-hot, against the most likely ones of logits [B, C, H, W]: [C, C]. */
function confusionIn(labels: Tensor, logits: Tensor): Float64Array {
  return confusionOf(labels.argmax(1), logits.argmax(1), labels.shape[1]!);
}

const summed = (a: Float64Array | null, b: Float64Array): Float64Array =>
  a ? a.map((count, i) => count + b[i]!) : b;

type OfImages = Extract<Metric, { ofImages: unknown }>;
const isOfImages = (metric: Metric): metric is OfImages => 'ofImages' in metric;

/**
 * Returns the values of the first stage's metrics by name, in their order; metrics without a value are left out.
 *
 * @param counts counts of the codes
 * @param of values of the metrics of images or, for label maps, the counts of labels and predictions
 */
function measured(
  counts: Float64Array,
  of: Float64Array | ((metric: OfImages) => number | undefined),
): MetricValues {
  const valueOf = (metric: Metric): number | undefined => {
    if ('ofCounts' in metric) return metric.ofCounts(counts);
    if (of instanceof Float64Array) return 'ofConfusion' in metric ? metric.ofConfusion(of) : undefined;
    return isOfImages(metric) ? of(metric) : undefined;
  };
  const values = metricsOf.vqgan.map((metric) => [metric.name, valueOf(metric)] as const);
  return Object.fromEntries(values.filter((pair): pair is [string, number] => pair[1] !== undefined));
}

/** Writes rows of inputs, reconstructions and errors; small images are enlarged. */
export async function saveReconstructions(model: FirstStage, pictures: Tensor, path: string): Promise<void> {
  const grid = torch.scope(() => {
    const images = pictures.narrow(0, 0, Math.min(COLUMNS, pictures.shape[0]!));
    const { reconstruction } = reconstruct(model, images);
    const shown = [images, reconstruction].map((values) => shownImages(model, values)) as [Tensor, Tensor];
    return torch.cat([...shown, errorMaps(...shown)]);
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
  return unrecorded(() => {
    const error = images.sub(reconstructions.clamp(-1, 1)).abs().mean([1], true); // [B, 1, H, W], 0 to 2
    return error.mul(2).sub(1).clamp(-1, 1).expand([-1, images.shape[1]!, -1, -1]).contiguous();
  });
}
