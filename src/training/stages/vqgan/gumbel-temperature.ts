/** Temperature schedule of a Gumbel quantizer, as the reference's configurations describe it. */
import { readTree } from '../../../config/read.js';
import { natural, number, object, oneOf, optional } from '../../../config/schema.js';
import { warmUpCosine } from '../../../torch/optim/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';

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
    throw new TypeError(
      `${path}.params.max_decay_steps must be greater than warm_up_steps (${params.warmUpSteps}), got ${params.maxDecaySteps}`,
    );
  }
  const { lrStart: start, lrMax: max, lrMin: min, warmUpSteps, maxDecaySteps } = params;
  const temperatureAt = warmUpCosine({ start, max, min, warmUpSteps, maxDecaySteps });
  return (step) => {
    quantize.temperature = temperatureAt(step);
  };
}
