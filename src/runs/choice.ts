/** The metric by which a run chooses its best checkpoint. */
import { nearest } from '../config/nearest.js';
import { ConfigError } from '../config/read.js';
import { bestBy, type Measure } from '../metrics/definitions.js';
import type { Stage, TrainingConfig } from './config.js';
import { RunError } from './error.js';

type Choosing = Pick<TrainingConfig, 'best' | 'patience'>;

/** Returns the metrics by which a run chooses: that of `training.best`, or the stage's, of which the first measured decides. */
export const measuresOf = (stage: Stage, { best }: Pick<TrainingConfig, 'best'>): Measure[] =>
  bestBy(stage, best ?? undefined);

/** @throws ConfigError if `training.best` does not name a metric of the stage */
export function checkBest(stage: Stage, training: Choosing): void {
  const { best } = training;
  if (best === undefined || measuresOf(stage, training).length > 0) return;
  const known = bestBy(stage).map(({ name }) => name);
  const meant = nearest(best, known);
  throw new ConfigError(
    'training.best',
    `training.best must be a metric of held-out data, ${known.join(', ')}, got ${JSON.stringify(best)}; ` +
      `did you mean "${meant}"?`,
  );
}

/**
 * Checks that a run measures the metric by which it chooses checkpoints, or its end, if it does.
 *
 * @param measure returns the held-out metrics; called only then
 * @throws RunError if that metric is not among them
 */
export function checkChoice(
  { stage, config: { training } }: { stage: Stage; config: { training: TrainingConfig } },
  measure: () => Record<string, number>,
): void {
  if (training.best === undefined && training.patience === undefined) return;
  const metrics = measure();
  const wanted = measuresOf(stage, training).map(({ name }) => name);
  if (wanted.some((name) => metrics[name] !== undefined)) return;
  const setting =
    training.best === undefined ? `training.patience=${training.patience}` : `training.best=${training.best}`;
  const measured = Object.keys(metrics).join(', ');
  throw new RunError(
    `${setting} needs ${wanted.join(' or ')} of held-out data, but ` +
      (measured === ''
        ? 'nothing is held out: set data.heldOut'
        : `this run measures ${measured}: name one of these in training.best`),
  );
}
