/** Interfaces of a training stage: `TrainableStage` takes steps and measures, `StageKind` prepares one for a run. */
import type { RunConfig, Stage as StageName } from '../runs/config.js';
import type { Precision } from '../runs/setting-kinds.js';
import type { TrainedState } from '../runs/state.js';
import type * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { FiniteCheck } from './engine/finite-check.js';
import type { Images } from './images.js';
import type { Session } from './session.js';

/** Metrics by name. */
export type MetricValues = Record<string, number>;

/** @deprecated The former name of {@link MetricValues}. */
export type Figures = MetricValues;

/** A model in training, as `train` drives it. Only `step` may change the training state. */
export interface TrainableStage<Batch = unknown> {
  /** Does work before the first step that the first checkpoint does not depend on. */
  prepare?(signal?: AbortSignal): Promise<void>;
  /** Returns the next batch, and the milliseconds spent waiting for it. `train` disposes of the batch. */
  next(): Promise<{ batch: Batch; waited: number }>;
  /** Returns the position in the data, as in `state().data`, cheaply: called before each `next`. */
  position?(): unknown;
  /** Takes one step; its losses stay on the device. */
  step(batch: Batch): Record<string, Tensor | number>;
  /** Looks for NaN and infinity in the steps; without it, the losses are looked at when they are read. */
  readonly check?: FiniteCheck | null;
  /** Scaler of losses whose gradients pass through float16; null if they do not. */
  readonly scaler?: torch.amp.GradScaler | null;
  /** Called after the tensors of `state()` were restored during training. */
  restored?(): void;
  /** Returns metrics to log with the losses; called only after steps that are logged. */
  observed?(): MetricValues;
  /** Returns an optional note to report after a step, or null. */
  remark?(): string | null;
  /** Measures the fixed validation set; empty if nothing is held out. */
  evaluate(): MetricValues;
  /** Measures all held-out images. */
  evaluateAll(): Promise<MetricValues>;
  /** Writes a grid of images and returns its path, or null if there is nothing to show. */
  draw(): Promise<string | null>;
  /** Returns the state to save; restoring writes to the same tensors. */
  state(): TrainedState;
  /** Releases the stage's resources. */
  close(): Promise<void> | void;
}

/** Prepares a stage of this package, from its configuration to its first step. */
export interface StageKind<S extends TrainableStage> {
  name: StageName;
  /** True if it can be trained on a token set instead of images. */
  takesTokens?: boolean;
  /** Resolves and validates the configuration before any image is opened. */
  adapt(config: RunConfig, notes: string[]): Promise<RunConfig>;
  /** Fills in settings that depend on the dataset. */
  settle?(config: RunConfig, images: Images): RunConfig;
  /** Returns the time of a training step in milliseconds, which `precision: auto` compares. */
  measure(config: RunConfig, precision: Precision): number;
  /** Builds the model, the optimizers and the step. */
  build(session: Session): Promise<S>;
}
