export { CheckpointError, type CheckpointProblem } from './checkpoint-error.js';
export {
  LazyTensors,
  type CheckpointTensorInfo,
  type EntryIterator,
  type KeyIterator,
  type LazyTensorMap,
  type TensorIterator,
  type TensorReader,
} from './lazy-tensors.js';
export { loadCheckpoint, type Checkpoint } from './load-checkpoint.js';
export type { CheckpointFormat } from './file-format.js';
export { loadNpy, saveNpy } from './npy.js';
export { saveSafetensors, type SaveOptions } from './save-safetensors.js';
export { savePytorch } from './save-pytorch.js';
