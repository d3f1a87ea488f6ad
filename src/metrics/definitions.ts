/** Metrics of each stage, in the order in which they are reported. A new metric needs one line here. */
import { changedCodesMetric } from './changed-codes.js';
import { codesInUse, histogramMetric, perplexity } from './codebook-use.js';
import { copyMetrics } from './copies.js';
import { countModel } from './count-model.js';
import { bitsPerDimensionMetric, bitsPerTokenMetric, heldOutLossMetric } from './held-out-loss.js';
import { lpipsMetric } from './lpips.js';
import { meanIouMetric, pixelAccuracyMetric } from './label-maps.js';
import { meanColourPsnr } from './mean-colour.js';
import { featureMetrics } from './feature-metrics.js';
import type { Metric, Shown } from './metric.js';
import { psnrMetric } from './psnr.js';
import { ssimMetric } from './ssim.js';

/** Metrics by stage. */
export const metricsOf: Readonly<Record<'vqgan' | 'transformer', readonly Metric[]>> = {
  vqgan: [
    psnrMetric,
    ssimMetric,
    lpipsMetric,
    meanColourPsnr,
    pixelAccuracyMetric,
    meanIouMetric,
    codesInUse,
    perplexity,
    changedCodesMetric,
  ],
  transformer: [heldOutLossMetric, bitsPerTokenMetric, bitsPerDimensionMetric, histogramMetric, countModel],
};

/** A metric that says which of two models is better. */
export interface Measure {
  name: string;
  better: 'higher' | 'lower';
}

/**
 * Returns the metrics that select the best checkpoint of a stage: the first of them that was measured decides.
 *
 * @param name the only one to return, under its name or, for the loss that the stage is trained on, as `loss`
 * @returns none for a name that is not among them
 */
export function bestBy(stage: keyof typeof metricsOf, name?: string): Measure[] {
  const all = metricsOf[stage].filter(({ better, atEnd }) => better && !atEnd);
  const named = all.filter((metric) => metric.name === name || (name === 'loss' && 'ofLoss' in metric));
  return (name === undefined ? all : named).map((metric) => ({ name: metric.name, better: metric.better! }));
}

/** Returns the definition of a metric, or undefined for a name from an older version. */
export function metricNamed(name: string): Metric | undefined {
  return Object.values(metricsOf)
    .flat()
    .find((metric) => metric.name === name);
}

/** Returns the words and digits of a metric, of a stage or of sets of images; undefined for an unknown name. */
export function shownNamed(name: string): Shown | undefined {
  return metricNamed(name) ?? [...featureMetrics, ...copyMetrics].find((metric) => metric.name === name);
}
