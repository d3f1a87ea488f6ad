/** Checkpoints that a run in progress writes. */
import { existsSync } from 'node:fs';
import * as torch from '../torch/index.js';
import { checkpointPath, pruneCheckpoints, writeCheckpoint } from './checkpoint.js';
import type { CheckpointState, RunCheckpoint } from './checkpoint.js';
import { measuresOf } from './choice.js';
import type { Stage, TrainingConfig } from './config.js';
import { Patience, type PatienceState } from './patience.js';
import { severalProcesses, type RunSetup } from './setup.js';
import { optimizerState, type TrainedState } from './state.js';

/** The moment of a checkpoint. */
export interface Moment {
  step: number;
  /** Seconds of training. */
  seconds: number;
  /** Completed share of the run. */
  progress: number;
}

/** Settings and state that the checkpoints of a run depend on. */
export interface SavingOptions {
  folder: string;
  stage: Stage;
  training: TrainingConfig;
  setup: RunSetup;
  /** Checkpoint that a resumed run continues from. */
  last: (RunCheckpoint & { state: CheckpointState }) | null;
}

/** Role of a checkpoint. One of the schedule counts for `patience` and replaces older ones. */
export interface RunSaveOptions {
  /** Its metrics count for `training.patience`. Default true; false for one that was asked for in between. */
  counts?: boolean;
  /** Old checkpoints are removed. Default true. */
  prunes?: boolean;
}

/** Writes the checkpoints of a run, and removes old ones. */
export class Saving {
  readonly #options: SavingOptions;
  readonly #patience: Patience | null;
  #last: RunCheckpoint | null;

  constructor(options: SavingOptions) {
    this.#options = options;
    this.#last = options.last;
    const { stage, training, last } = options;
    const { patience } = training;
    const state = (last?.state['patience'] ?? null) as PatienceState | null;
    this.#patience =
      patience === undefined ? null : new Patience(patience, measuresOf(stage, training), state);
  }

  /** Reason why the run ends early; null if it does not. */
  get stopped(): string | null {
    return this.#patience?.stopped ?? null;
  }

  /** Returns the last checkpoint if it is of this step. */
  at(step: number): RunCheckpoint | null {
    const last = this.#last;
    const there = last?.step === step && (torch.distributed.rank() > 0 || existsSync(last.path));
    return there ? last : null;
  }

  /**
   * Writes a checkpoint with its metrics, and removes old ones except the best few. Of several processes the first one
   * writes, and the others take part with their generators.
   */
  async save(
    { model, optimizers, average, scaler, data }: TrainedState,
    metrics: Record<string, number>,
    { step, seconds, progress }: Moment,
    { counts = true, prunes = true }: RunSaveOptions = {},
  ): Promise<RunCheckpoint> {
    const { folder, stage, training, setup } = this.#options;
    const { device, threads, precision, images } = setup;
    const { tensors, groups } = optimizerState(optimizers, device);
    if (torch.distributed.rank() > 0) return (this.#last = { step, path: checkpointPath(folder, step) });
    if (counts) this.#patience?.take(step, metrics);
    const patience = this.#patience?.state;
    const at = { step, metrics, stage, seconds, progress, ...(patience && { patience }) };
    const state = {
      ...at,
      device,
      threads,
      precision,
      ...severalProcesses(),
      ...images,
      data,
      optimizers: groups,
      ...(scaler && { scaler: scaler.stateDict() }),
    };
    const files = { model, optimizer: tensors, ...(average && { ema: average }) };
    this.#last = await writeCheckpoint(folder, state, files);
    const { keep, keepBest } = training;
    if (prunes) await pruneCheckpoints(folder, step, keep, measuresOf(stage, training), keepBest);
    return this.#last;
  }
}
