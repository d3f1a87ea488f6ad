import * as torch from '../torch/index.js';
import type { TrainedState } from './state.js';

/** The dtype in which networks are trained. */
export type Precision = 'float32' | 'bfloat16';

/** What a run computes with, and on which images. */
export interface RunSetup {
  device: torch.Device;
  threads: number;
  precision: Precision;
  /** Recorded in every checkpoint; a resumed run is compared with it. */
  images?: ImagesState;
  /** Where they come from, such as `folder` or `packed`. */
  imagesFrom?: string;
}

/** What a checkpoint records of a run's images. */
export interface ImagesState {
  /** Images to train on and held out. */
  images: { train: number; heldOut: number };
  classes: readonly string[];
  /** Hash of their contents and order. */
  fingerprint: string;
}

/** Returns the setup of a loop that chooses none: it computes where its weights are. */
export function setupOf({ model }: TrainedState): RunSetup {
  const device = [...model.values()][0]?.device ?? 'cpu';
  return { device, threads: torch.getNumThreads(), precision: 'float32' };
}
