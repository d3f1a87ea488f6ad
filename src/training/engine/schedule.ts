import type { RunConfig } from '../../runs/config.js';
import type { TrainedState } from '../../runs/state.js';

/** Shape of the learning rate over a run. */
export interface LearningRateShape {
  /** Share of the run in which it rises. Default 0.02. */
  warmup?: number;
  /** Share of the run after which it falls. Default 0.4. */
  decayFrom?: number;
  /** Learning rate at the start and the end of the run, as a share of the peak. Default 0.05. */
  final?: number;
}

/** Returns the learning rate at a share of the run: linear warm-up, constant, linear decay. */
export function learningRateAt(
  progress: number,
  peak: number,
  { warmup = 0.02, decayFrom = 0.4, final = 0.05 }: LearningRateShape = {},
): number {
  if (progress < warmup) return peak * Math.max(final, progress / warmup);
  return peak * (progress < decayFrom ? 1 : Math.max(final, (1 - progress) / (1 - decayFrom)));
}

/** Sets the learning rate of all optimizers for the run's progress, and returns it. */
export function setLearningRate(
  optimizers: TrainedState['optimizers'],
  { progress, config }: { progress: number; config: RunConfig },
): number {
  const { learningRate, warmup, decayFrom, finalLearningRate: final } = config.training;
  const lr = learningRateAt(progress, learningRate, { warmup, decayFrom, final });
  for (const { paramGroups } of Object.values(optimizers)) for (const group of paramGroups) group.lr = lr;
  return lr;
}
