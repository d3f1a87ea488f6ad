/** What differs between the trainings: a `TrainableStage` takes steps and measures them, a `StageKind` prepares one for a run. */
import type { RunConfig, Stage as StageName } from '../runs/config.js';
import type { Precision } from '../runs/setup.js';
import type { TrainedState } from '../runs/state.js';
import type { Tensor } from '../torch/index.js';
import type { Images } from './images.js';
import type { Session } from './session.js';

/** Metrics by name. */
export type Figures = Record<string, number>;

/** A model in training, as `train` drives it. Nothing but `step` changes what is trained. */
export interface TrainableStage<Batch = unknown> {
  /** Does work before the first step that the first checkpoint need not wait for. */
  prepare?(signal?: AbortSignal): Promise<void>;
  /** Returns the next batch, and the milliseconds it was waited for. `train` disposes of the batch. */
  next(): Promise<{ batch: Batch; waited: number }>;
  /** Takes one step; its losses stay on the device. */
  step(batch: Batch): Record<string, Tensor | number>;
  /** Returns a note on the step just taken, or null. */
  remark?(): string | null;
  /** Measures the fixed validation set; empty where nothing is held out. */
  evaluate(): Figures;
  /** Measures all held-out images. */
  evaluateAll(): Promise<Figures>;
  /** Writes a grid of images and returns its path, or null where there is nothing to show. */
  draw(): Promise<string | null>;
  /** Returns what is saved; the same tensors are restored. */
  state(): TrainedState;
  /** Releases what the stage holds. */
  close(): Promise<void> | void;
}

/** How a stage of this package is prepared, from its configuration to its first step. */
export interface StageKind<S extends TrainableStage> {
  name: StageName;
  /** Completes and checks the configuration by what it takes from elsewhere, before images are opened. */
  adapt(config: RunConfig, notes: string[]): Promise<RunConfig>;
  /** Completes it by what the images are. */
  settle?(config: RunConfig, images: Images): RunConfig;
  /** Times a training step, in milliseconds; what `precision: auto` compares. */
  measure(config: RunConfig, precision: Precision): number;
  /** Builds model, optimizers and step. */
  build(session: Session): Promise<S>;
}
