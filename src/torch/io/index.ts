export { CheckpointError } from './checkpoint-error.js';
export type { CheckpointProblem } from './checkpoint-error.js';
export { LazyTensors } from './lazy-tensors.js';
export type {
  CheckpointTensorInfo,
  EntryIterator,
  KeyIterator,
  LazyTensorMap,
  TensorIterator,
} from './lazy-tensors.js';
export { loadCheckpoint } from './load-checkpoint.js';
export type { CheckpointFormat } from './file-format.js';
export type { Checkpoint } from './load-checkpoint.js';
export { loadNpy, saveNpy } from './npy.js';
export { saveSafetensors } from './save-safetensors.js';
export type { SaveOptions } from './save-safetensors.js';
export { savePytorch } from './save-pytorch.js';
export type { TensorReader } from './lazy-tensors.js';
