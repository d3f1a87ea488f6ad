import * as torch from '../torch/index.js';
import type { Precision } from './setting-kinds.js';
import type { TrainedState } from './state.js';

/** Device, threads, precision and images of a run. */
export interface RunSetup {
  device: torch.Device;
  threads: number;
  precision: Precision;
  /** Recorded in every checkpoint, and compared when the run is resumed. */
  images?: ImagesState;
  /** Kind of image source, such as `folder` or `packed`. */
  imagesFrom?: string;
}

/** Description of a run's images in a checkpoint. */
export interface ImagesState {
  /** Number of training and held-out images. */
  images: { train: number; heldOut: number };
  classes: readonly string[];
  /** Hash of the contents and the order of the images. */
  fingerprint: string;
}

/** Returns the setup of a custom loop that does not choose one: it computes on the device of its weights. */
export function setupOf({ model }: TrainedState): RunSetup {
  const device = [...model.values()][0]?.device ?? 'cpu';
  return { device, threads: torch.getNumThreads(), precision: 'float32' };
}

/** Returns the entry that records the processes in a run's files; empty in a single process. */
export function severalProcesses(): { processes?: number } {
  const processes = torch.distributed.worldSize();
  return processes > 1 ? { processes } : {};
}
