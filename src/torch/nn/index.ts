export * from './activation.js';
export type { InplaceOptions, Overwriting } from './overwriting.js';
export * from './adaptive-pooling.js';
export * from './attention.js';
export * from './batch-normalization.js';
export { chain } from './chain.js';
export { clipGradNorm_, clipGradValue_ } from './clip-gradients.js';
export type { MemberDict, MemberList } from './collections.js';
export { ModuleDict, ModuleList, Sequential } from './containers.js';
export { Conv1d, Conv2d, Conv3d } from './convolution.js';
export type {
  Conv1dOptions,
  Conv2dOptions,
  Conv3dOptions,
  ConvNd,
  ConvOptions,
  Convolution,
  PaddingMode,
} from './convolution.js';
export { DistributedDataParallel, type DistributedDataParallelOptions } from './data-parallel.js';
export { CosineSimilarity, PairwiseDistance } from './distance.js';
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout } from './dropout.js';
export * from './embedding.js';
export * as init from './init.js';
export { initEnabled, skipInit } from './init-switch.js';
export { inEvaluation } from './evaluation.js';
export { Bilinear, Identity, Linear, type FactoryOptions, type LinearOptions } from './linear.js';
export {
  affine,
  withPackedWeights,
  type Affine,
  type PackedWeight,
  type PackOptions,
} from './packed-weights.js';
export * from './loss.js';
export type { Loss, WeightedLoss } from './loss-base.js';
export * from './margin-losses.js';
export { Module } from './module.js';
export type { ModulePlace } from './module-place.js';
export type {
  BackwardHook,
  BackwardPreHook,
  ForwardHook,
  ForwardPreHook,
  Gradients,
} from './module-hooks.js';
export type { HookHandle } from '../hooks.js';
export * from './more-activations.js';
export { GroupNorm, LayerNorm, RMSNorm } from './normalization.js';
export type { GroupNormOptions, LayerNormOptions, RMSNormOptions } from './normalization.js';
export * from './padding.js';
export { Parameter } from './parameter.js';
export { ParameterDict, ParameterList } from './parameter-containers.js';
export * from './parametrize.js';
export * from './piecewise-activations.js';
export * from './pooling.js';
export { GRU, LSTM, RNN } from './recurrent.js';
export type { LSTMOptions, Recurrent, RecurrentOptions, RNNOptions, WeightName } from './recurrent.js';
export * from './recurrent-cells.js';
export * from './shape.js';
export type { Size, Size1, Size2, Size3 } from './sizes.js';
export { StateDictError, type LoadResult, type StateSource, type TensorInfo } from './state-dict.js';
export * from './summary.js';
export * from './transformer-layer.js';
export * from './transposed-convolution.js';
export * from './windows.js';
export * from './weight-norms.js';
export type { RandomOptions } from './init-matrices.js';
