/** Temperature schedule of a Gumbel quantizer, as the reference's configurations describe it. */
import { readTree } from '../config/read.js';
import { natural, number, object, oneOf, optional, type Settings } from '../config/schema.js';
import type { FirstStage } from '../models/autoencoder/vqgan.js';

const schedule = {
  warmUpSteps: natural(),
  lrMin: number(),
  lrMax: number(),
  lrStart: number(),
  maxDecaySteps: natural(),
  verbosityInterval: optional(natural()),
};

const scheduler = {
  target: oneOf('taming.lr_scheduler.LambdaWarmUpCosineScheduler', 'LambdaWarmUpCosineScheduler')(),
  params: object(schedule),
};

type WarmUpCosine = Settings<typeof schedule>;

/**
 * Linear from `lrStart` to `lrMax`, then half a cosine down to `lrMin` at `maxDecaySteps`, then constant at `lrMin`.
 */
export function warmUpCosine(step: number, schedule: WarmUpCosine): number {
  const { warmUpSteps, lrMin, lrMax, lrStart, maxDecaySteps } = schedule;
  if (step < warmUpSteps) return lrStart + ((lrMax - lrStart) / warmUpSteps) * step;
  const t = Math.min(1, (step - warmUpSteps) / (maxDecaySteps - warmUpSteps));
  return lrMin + 0.5 * (lrMax - lrMin) * (1 + Math.cos(t * Math.PI));
}

/**
 * Returns a function that sets the temperature before each step, from the model's `temperature_scheduler_config`. It
 * does nothing for other quantizers, or for a Gumbel quantizer without that config, which keeps its initial
 * temperature.
 *
 * @throws TypeError naming a parameter that is missing, unknown or wrong
 */
export function temperatureSetter({ quantize }: FirstStage): (step: number) => void {
  const given = quantize.config.temperatureSchedulerConfig;
  if (given === undefined || given === null) return () => {};
  const path = 'model.params.temperature_scheduler_config';
  const { params } = readTree(scheduler, given, { path, snake: true });
  if (params.maxDecaySteps <= params.warmUpSteps) {
    throw new TypeError(`${path}.params.max_decay_steps must be greater than warm_up_steps`);
  }
  return (step) => {
    quantize.temperature = warmUpCosine(step, params);
  };
}
