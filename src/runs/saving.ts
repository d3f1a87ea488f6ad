/** Checkpoints that a run in progress writes. */
import { existsSync } from 'node:fs';
import { bestBy } from '../metrics/definitions.js';
import { pruneCheckpoints, writeCheckpoint, type RunCheckpoint } from './checkpoint.js';
import type { Stage, TrainingConfig } from './config.js';
import type { RunSetup } from './setup.js';
import { optimizerState, type TrainedState } from './state.js';

/** The moment of a checkpoint. */
export interface Moment {
  step: number;
  /** Seconds of training. */
  seconds: number;
  /** Completed share of the run. */
  progress: number;
}

/** What the checkpoints of a run depend on. */
export interface SavingOptions {
  folder: string;
  stage: Stage;
  training: TrainingConfig;
  setup: RunSetup;
  /** Checkpoint that a resumed run continues from. */
  last: RunCheckpoint | null;
}

/** Writes the checkpoints of a run, and removes old ones. */
export class Saving {
  readonly #options: SavingOptions;
  #last: RunCheckpoint | null;

  constructor(options: SavingOptions) {
    this.#options = options;
    this.#last = options.last;
  }

  /** Returns the last checkpoint if it is of this step. */
  at(step: number): RunCheckpoint | null {
    const last = this.#last;
    return last?.step === step && existsSync(last.path) ? last : null;
  }

  /** Writes a checkpoint with its metrics, and removes old ones except the best. */
  async save(
    { model, optimizers, average, data }: TrainedState,
    metrics: Record<string, number>,
    { step, seconds, progress }: Moment,
  ): Promise<RunCheckpoint> {
    const { folder, stage, training, setup } = this.#options;
    const { device, threads, precision, images } = setup;
    const { tensors, groups } = optimizerState(optimizers, device);
    const at = { step, metrics, stage, seconds, progress };
    const state = { ...at, device, threads, precision, ...images, data, optimizers: groups };
    const files = { model, optimizer: tensors, ...(average && { ema: average }) };
    this.#last = await writeCheckpoint(folder, state, files);
    await pruneCheckpoints(folder, step, training.keep, bestBy(stage));
    return this.#last;
  }
}
