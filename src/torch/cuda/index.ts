export {
  currentDevice,
  deviceCapability,
  deviceCount,
  deviceName,
  isAvailable,
  setDevice,
  synchronize,
  withDevice,
  type CudaDevice,
} from './device.js';
export { currentStream, defaultStream, Event, Stream, withStream } from './stream.js';
export * from './memory.js';
export { Graph, graph, graphRecorder, whyNoGraphs, type GraphOptions } from './graph.js';
export { Kernels, type Launch, type LaunchSize } from './kernel.js';
export {
  fusedGroupNormFailure,
  fusesGroupNormSilu,
  groupNormSilu,
  setFusedGroupNorm,
} from './group-norm-silu.js';
export type { NativeGraph, NativeKernel } from '../native/cuda-binding.js';
