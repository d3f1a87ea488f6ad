import type { RunConfig } from '../../runs/config.js';
import type { ScheduleName } from '../../runs/setting-kinds.js';
import type { TrainedState } from '../../runs/state.js';

/** Shape of the learning rate over a run. */
export interface LearningRateShape {
  /**
   * `linear` rises to the peak, stays, and falls in a straight line; `cosine` falls along half a cosine, not before it
   * has risen; `constant` rises and stays; `reference` is the peak throughout, as in the reference. Default linear.
   */
  schedule?: ScheduleName;
  /** Share of the run in which it rises; from 2 on, a number of steps. Default 0.02. */
  warmup?: number;
  /** Share of the run after which it falls; from 2 on, a number of steps. Default 0.4; cosine: 0. */
  decayFrom?: number;
  /** Learning rate at the start and the end of the run, as a share of the peak. Default 0.05. */
  final?: number;
}

/** Number of steps done, and length of the run in steps, for shapes that count steps. */
export interface StepCount {
  step?: number;
  steps?: number | undefined;
}

/**
 * Returns the learning rate at a share of the run.
 *
 * @throws TypeError if the shape counts steps, and these are not given
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adam(new nn.Linear(8, 2).parameters());
 * for (let step = 0; step < 1000; step++) {
 *   const shape = { schedule: 'cosine', warmup: 100 } as const; // 100 steps, then down to a twentieth
 *   const lr = learningRateAt(step / 1000, 1e-3, shape, { step, steps: 1000 });
 *   for (const group of optimizer.paramGroups) group.lr = lr;
 * }
 * ```
 */
export function learningRateAt(
  progress: number,
  peak: number,
  shape: LearningRateShape = {},
  count: StepCount = {},
): number {
  const { schedule = 'linear', warmup = 0.02, final = 0.05 } = shape;
  const { decayFrom = schedule === 'cosine' ? 0 : 0.4 } = shape;
  if (schedule === 'reference') return peak;
  const risen = warmup > 1 ? needed(count.step, 'step', { warmup }) / warmup : progress / warmup;
  if (risen < 1) return peak * Math.max(final, risen);
  if (schedule === 'constant') return peak;
  const from = decayFrom > 1 ? decayFrom / needed(count.steps, 'steps', { decayFrom }) : decayFrom;
  if (schedule === 'cosine') {
    const warm = warmup > 1 ? warmup / (count.steps ?? Infinity) : warmup;
    return peak * (final + (1 - final) * halfCosine(progress, Math.max(from, warm)));
  }
  return peak * (progress < from ? 1 : Math.max(final, (1 - progress) / (1 - from)));
}

/** Returns a value that falls from 1 at the share `from` of a run to 0 at its end. */
function halfCosine(progress: number, from: number): number {
  if (progress <= from) return 1;
  return 0.5 * (1 + Math.cos((Math.PI * (progress - from)) / (1 - from)));
}

function needed(value: number | undefined, name: keyof StepCount, setting: Record<string, number>): number {
  if (value !== undefined) return value;
  const [key, steps] = Object.entries(setting)[0]!;
  throw new TypeError(`learningRateAt: ${key} is ${steps} steps: pass { ${name} } as the last argument`);
}

/**
 * Sets the learning rate of all optimizers for the run's progress; a discriminator may have its own peak. Returns that of
 * the model.
 */
export function setLearningRate(
  optimizers: TrainedState['optimizers'],
  { progress, step, config: { training } }: { progress: number; step: number; config: RunConfig },
): number {
  const { learningRate, discriminatorLearningRate = learningRate, steps, schedule } = training;
  const { warmup, decayFrom, finalLearningRate: final } = training;
  const rateFor = (peak: number) =>
    learningRateAt(progress, peak, { schedule, warmup, decayFrom, final }, { step, steps });
  for (const [name, { paramGroups }] of Object.entries(optimizers)) {
    const lr = rateFor(name === 'discriminator' ? discriminatorLearningRate : learningRate);
    for (const group of paramGroups) group.lr = lr;
  }
  return rateFor(learningRate);
}
