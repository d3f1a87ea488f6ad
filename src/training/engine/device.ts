/** Device and process-wide flags. */
import type { TrainingConfig } from '../../runs/config.js';
import { RunError } from '../../runs/error.js';
import * as torch from '../../torch/index.js';

/** Returns the device that `training.device` selects on this machine. @throws RunError for a GPU that cannot be used */
export function chooseDevice(wanted: 'auto' | torch.Device): torch.Device {
  if (wanted === 'cpu') return 'cpu';
  if (torch.cudaIsAvailable()) return wanted === 'auto' || wanted === 'cuda' ? 'cuda:0' : wanted;
  if (wanted === 'auto') return 'cpu';
  throw new RunError(
    `training.device is ${wanted}, but no CUDA device can be used: run "npx tessera-torch doctor" to see why, or set it to cpu`,
  );
}

/** Sets the number of threads and the choice of CUDA algorithms for the whole process. */
export function setUpComputing(
  device: torch.Device,
  threads: number,
  { deterministic }: TrainingConfig,
): void {
  torch.setNumThreads(threads);
  if (!device.startsWith('cuda')) return;
  // cuBLAS reads this at its first matrix product.
  if (deterministic) process.env['CUBLAS_WORKSPACE_CONFIG'] ??= ':4096:8';
  // Max-pooling has no deterministic backward algorithm, but windows that do not overlap always give the same bits.
  torch.useDeterministicAlgorithms(deterministic, { warnOnly: true });
  torch.backends.cudnn.deterministic = deterministic;
  torch.backends.cudnn.benchmark = !deterministic; // Shapes are the same at every step.
}
