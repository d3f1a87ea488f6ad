/** Weights of a run's checkpoint, as commands and other runs use them. */
import { existsSync } from 'node:fs';
import { loadCheckpoint } from '../torch/io/index.js';
import type { LazyTensors } from '../torch/io/lazy-tensors.js';
import {
  averageOf,
  intactBest,
  intactOfStep,
  newestCheckpoint,
  weightsOf,
  type CheckpointState,
  type OnBytes,
  type RunCheckpoint,
} from './checkpoint.js';
import { told } from './checkpoint-file.js';
import { measuresOf } from './choice.js';
import { RunError } from './error.js';
import { readConfig } from './folder.js';

/** Choice of a run's weights. */
export interface WeightsChoice {
  /**
   * True takes the moving average of the weights, and fails if the run has none; false takes the trained weights. Default:
   * the average if the run has one.
   */
  ema?: boolean | undefined;
  /** The newest checkpoint, the best one by `training.best` of the run, or that of a step. Default `newest`. */
  checkpoint?: 'newest' | 'best' | number | undefined;
}

/** Weights of a run's checkpoint, open to be read. */
export interface RunWeights {
  checkpoint: RunCheckpoint & { state: CheckpointState };
  /** File with the trained weights. */
  file: string;
  /** Weights below the prefix; those that the run averages are the averages if `ema` is true. */
  tensors: LazyTensors;
  /** True for the moving average. */
  ema: boolean;
  close(): void;
}

/** Returns a checkpoint of a run whose files match their hashes. */
async function chosenCheckpoint(run: string, which: WeightsChoice['checkpoint'], onBytes?: OnBytes) {
  if (typeof which === 'number') return intactOfStep(run, which, onBytes);
  if (which !== 'best') return newestCheckpoint(run, onBytes);
  const { stage, training } = await readConfig(run);
  return intactBest(run, measuresOf(stage, training), onBytes);
}

/**
 * Opens the weights of a run's checkpoint, by default the newest.
 *
 * @param prefix of the keys to take, which is removed from them
 * @throws RunError if there is no checkpoint, or `ema` is true and these weights have no moving average
 */
export async function openRunWeights(
  run: string,
  { ema, checkpoint: which }: WeightsChoice = {},
  { prefix = '', onBytes }: { prefix?: string; onBytes?: OnBytes | undefined } = {},
): Promise<RunWeights> {
  const checkpoint = await chosenCheckpoint(run, which, onBytes);
  const file = weightsOf(checkpoint);
  const averageFile = averageOf(checkpoint);
  const wanted = ema !== false && existsSync(averageFile);
  const trained = await loadCheckpoint(file);
  const averaged = wanted ? await loadCheckpoint(averageFile) : null;
  const close = () => {
    trained.close();
    averaged?.close();
  };
  const below = ({ tensors }: { tensors: LazyTensors }) =>
    tensors.renamed((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : null));
  const weights = below(trained);
  // The average has only what the run trained: not the first stage inside a transformer, for example.
  const average = averaged && below(averaged);
  const has = average !== null && average.size > 0;
  if (ema === true && !has) {
    close();
    throw noAverage(run);
  }
  const tensors = told(has ? weights.overlaidBy(average) : weights, file, onBytes);
  return { checkpoint, file, tensors, ema: has, close };
}

const noAverage = (run: string) =>
  new RunError(
    `${run} has no moving average of these weights: it was trained without training.ema; leave out --ema`,
  );
