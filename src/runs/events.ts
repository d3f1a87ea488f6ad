/** Events of a training run. */
import type { Precision } from './setting-kinds.js';
import type { Tensor } from '../torch/index.js';

export interface StartEvent {
  type: 'start';
  /** Steps done before: 0, or those before a resume. */
  step: number;
  folder: string;
  device: string;
  threads: number;
  precision: Precision;
  /** Number of trained parameters. */
  parameters: number;
  /** Number of training and held-out images. */
  images: { train: number; heldOut: number };
  /**
   * Sentences to show once: choices of `auto` and their reasons, terms that are off, differences from the run so far.
   */
  notes: string[];
}

/** Emitted after every step; cheap, as it reads nothing from the device. */
export interface StepEvent {
  type: 'step';
  step: number;
  progress: number;
}

export interface LogEvent {
  type: 'log';
  step: number;
  /** Completed share of the run, 0 to 1. */
  progress: number;
  /** Seconds of training, including those before a resume. */
  seconds: number;
  stepsPerSecond: number;
  imagesPerSecond: number;
  /** Estimated remaining seconds. */
  eta: number;
  learningRate: number;
  /** Share of the time since the last log spent waiting for images. */
  dataWait: number;
  /** Losses of this step. Stage 1: rec, perceptual, vq, gan, disc, weight. Stage 2: loss. With clipNorm: norm, discNorm. In float16: scale. */
  losses: Record<string, number>;
  /** Held-out metrics, if they were measured. Stage 1: psnr, used, perplexity. Stage 2: heldOutLoss. */
  metrics?: Record<string, number>;
}

export interface ImagesEvent {
  type: 'images';
  step: number;
  /** Path of the PNG. */
  path: string;
}

export interface CheckpointEvent {
  type: 'checkpoint';
  step: number;
  path: string;
}

/** A message to show once. */
export interface NoteEvent {
  type: 'note';
  step: number;
  message: string;
}

export interface EndEvent {
  type: 'end';
  step: number;
  /** True if the signal stopped the run; a checkpoint was saved and the run can be resumed. */
  interrupted: boolean;
  checkpoint: string;
  seconds: number;
  /** Reason why the run ended early, by `training.patience`. */
  stopped?: string;
  /** Final metrics on all held-out images; undefined if the run was interrupted. */
  metrics?: Record<string, number>;
}

export type TrainingEvent =
  StartEvent | StepEvent | LogEvent | ImagesEvent | CheckpointEvent | NoteEvent | EndEvent;

/** Losses, metrics and learning rate of a step. */
export interface StepRecord {
  /** Losses; reading tensors waits for the device. */
  losses: Readonly<Record<string, Tensor | number>>;
  learningRate: number;
  /** Held-out metrics, if they were measured. */
  metrics?: Record<string, number> | null;
}
