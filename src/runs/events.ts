/** What a trainer tells while it runs. */
import type { Tensor } from '../torch/index.js';

export interface StartEvent {
  type: 'start';
  /** Steps done before: 0, or where a resumed run goes on. */
  step: number;
  folder: string;
  device: string;
  threads: number;
  precision: 'float32' | 'bfloat16';
  /** Trained parameters. */
  parameters: number;
  /** Pictures to train on and held out. */
  images: { train: number; heldOut: number };
  /** Sentences to show once: what `auto` chose and why, what is off, what differs from the run so far. */
  notes: string[];
}

/** After every step; costs nothing, reads nothing from the device. */
export interface StepEvent {
  type: 'step';
  step: number;
  progress: number;
}

export interface LogEvent {
  type: 'log';
  step: number;
  /** Share of the run that is over, 0 to 1. */
  progress: number;
  /** Seconds of training, those before a resume included. */
  seconds: number;
  stepsPerSecond: number;
  imagesPerSecond: number;
  /** Seconds still to go, as far as one can tell. */
  eta: number;
  learningRate: number;
  /** Share of the time since the last log spent waiting for pictures. */
  dataWait: number;
  /** Losses of this step. Stage 1: rec, perceptual, vq, gan, disc, weight. Stage 2: loss. */
  losses: Record<string, number>;
  /** Held-out figures, where they were measured. Stage 1: psnr, used, perplexity. Stage 2: heldOutLoss. */
  metrics?: Record<string, number>;
}

export interface ImagesEvent {
  type: 'images';
  step: number;
  /** The PNG that was written. */
  path: string;
}

export interface CheckpointEvent {
  type: 'checkpoint';
  step: number;
  path: string;
}

/** Something to say once. */
export interface NoteEvent {
  type: 'note';
  step: number;
  message: string;
}

export interface EndEvent {
  type: 'end';
  step: number;
  /** Stopped by its signal; a checkpoint was saved and the run can be resumed. */
  interrupted: boolean;
  checkpoint: string;
  seconds: number;
  /** Final figures on all held-out pictures; absent where the run was interrupted. */
  metrics?: Record<string, number>;
}

export type TrainingEvent =
  StartEvent | StepEvent | LogEvent | ImagesEvent | CheckpointEvent | NoteEvent | EndEvent;

/** Losses, metrics and learning rate of a step. */
export interface StepRecord {
  /** Tensors are read, which waits for the device. */
  losses: Readonly<Record<string, Tensor | number>>;
  learningRate: number;
  /** Held-out metrics, where they were measured. */
  metrics?: Record<string, number> | null;
}
