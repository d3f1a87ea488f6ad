/** Length of a run, and the settings and files that depend on it. */
import { ConfigError } from '../config/read.js';
import { forgetProgress } from './clock.js';
import type { RunConfig, Stage, TrainingConfig } from './config.js';
import { progressJournal } from './folder.js';
import { imagesPerStep } from './settings.js';

/** Settings that end a run; the first that is reached does. */
export const lengthKeys = ['steps', 'minutes', 'epochs'] as const satisfies (keyof TrainingConfig)[];

/**
 * Returns the configuration with the length of its epochs in `steps`. An epoch of a first stage is as many steps as take
 * every image once; of a second stage, every stored view of every image, or of a token set one view of each.
 *
 * @param images number of training images
 * @param processes number of processes, each with a batch of its own
 * @throws ConfigError if it is not known, or the learning rate would fall after the end
 */
export function withEpochsInSteps(
  stage: Stage,
  config: RunConfig,
  images: number | undefined,
  processes = 1,
): RunConfig {
  const { training, data } = config;
  const { epochs, steps = Infinity } = training;
  if (epochs === undefined) return config;
  if (images === undefined) {
    throw new ConfigError(
      'training.epochs',
      'training.epochs needs the number of training images: call settle with images, or set training.steps',
    );
  }
  const views = stage === 'transformer' ? training.views * (data.flip ? 2 : 1) : 1;
  const length = Math.max(1, Math.ceil((epochs * images * views) / (imagesPerStep(training) * processes)));
  const settled = { ...training, steps: Math.min(steps, length) };
  checkDecay(settled);
  return { ...config, training: settled };
}

/**
 * Removes the progress that a resumed run recorded after `step`, if its length is another now. Called before the new length
 * is written: a process that dies in between resumes with the old one.
 */
export function forgetOldLength(
  run: string,
  before: TrainingConfig,
  now: TrainingConfig,
  step: number,
): void {
  if (before.steps !== now.steps || before.minutes !== now.minutes)
    forgetProgress(progressJournal(run), step);
}

/** @throws ConfigError if the learning rate falls from a number of steps on, which is not before the end of the run */
export function checkDecay({ decayFrom, steps, epochs }: TrainingConfig): void {
  if (decayFrom <= 1 || (steps ?? (epochs === undefined ? 0 : Infinity)) > decayFrom) return;
  throw new ConfigError(
    'training.decayFrom',
    `training.decayFrom is ${decayFrom} steps, but ` +
      (steps === undefined ? 'the run has no length in steps' : `the run ends after ${steps}`) +
      ': give it as a share of the run, from 0 to 1, or set training.steps',
  );
}
