/** The device and the flags of the whole process. */
import type { TrainingConfig } from '../../runs/config.js';
import { RunError } from '../../runs/error.js';
import * as torch from '../../torch/index.js';

/** Returns the device that `training.device` means here. @throws RunError for a GPU that cannot be used */
export function chooseDevice(wanted: 'auto' | torch.Device): torch.Device {
  if (wanted === 'cpu') return 'cpu';
  if (torch.cudaIsAvailable()) return wanted === 'auto' || wanted === 'cuda' ? 'cuda:0' : wanted;
  if (wanted === 'auto') return 'cpu';
  throw new RunError(
    `training.device is ${wanted}, but no CUDA device can be used: run "npx tessera-torch doctor" to see why, or set it to cpu`,
  );
}

/** Sets, for the whole process, threads and which of CUDA's algorithms are used. */
export function setUpComputing(
  device: torch.Device,
  threads: number,
  { deterministic }: TrainingConfig,
): void {
  torch.setNumThreads(threads);
  if (!device.startsWith('cuda')) return;
  // cuBLAS reads it at its first product.
  if (deterministic) process.env['CUBLAS_WORKSPACE_CONFIG'] ??= ':4096:8';
  // Max-pooling's backward has no deterministic algorithm by name, but windows that do not overlap give the same bits.
  torch.useDeterministicAlgorithms(deterministic, { warnOnly: true });
  torch.backends.cudnn.deterministic = deterministic;
  torch.backends.cudnn.benchmark = !deterministic; // Shapes are the same at every step.
}
