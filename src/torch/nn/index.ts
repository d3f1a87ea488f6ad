export {
  GELU,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Softmax2d,
  Softmin,
  Tanh,
} from './activation.js';
export type { InplaceOptions } from './activation.js';
export * from './adaptive-pooling.js';
export { MultiheadAttention } from './attention.js';
export type { AttentionCall, MultiheadAttentionOptions } from './attention.js';
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
} from './batch-normalization.js';
export type { BatchNormOptions } from './batch-normalization.js';
export { chain } from './chain.js';
export { clipGradNorm_, clipGradValue_ } from './clip-gradients.js';
export { ModuleDict, ModuleList, Sequential } from './containers.js';
export { Conv1d, Conv2d, Conv3d } from './convolution.js';
export type { Conv1dOptions, Conv2dOptions, Conv3dOptions, PaddingMode } from './convolution.js';
export { CosineSimilarity, PairwiseDistance } from './distance.js';
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout } from './dropout.js';
export { Embedding, EmbeddingBag } from './embedding.js';
export type { EmbeddingBagOptions, EmbeddingOptions } from './embedding.js';
export * as init from './init.js';
export { initEnabled, skipInit } from './init-switch.js';
export { inEvaluation } from './evaluation.js';
export { Bilinear, Identity, Linear } from './linear.js';
export type { FactoryOptions, LinearOptions } from './linear.js';
export {
  BCELoss,
  BCEWithLogitsLoss,
  CosineEmbeddingLoss,
  CrossEntropyLoss,
  CTCLoss,
  HingeEmbeddingLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MarginRankingLoss,
  MSELoss,
  NLLLoss,
  SmoothL1Loss,
  SoftMarginLoss,
  TripletMarginLoss,
} from './loss.js';
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
export {
  isParametrized,
  Parametrization,
  ParametrizationList,
  registerParametrization,
  removeParametrization,
} from './parametrize.js';
export { AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d } from './pooling.js';
export type { AvgPoolOptions, MaxPoolOptions, PoolOptions } from './pooling.js';
export { GRU, LSTM, RNN } from './recurrent.js';
export type { LSTMOptions, RecurrentOptions, RNNOptions, WeightName } from './recurrent.js';
export { GRUCell, LSTMCell, RNNCell } from './recurrent-cells.js';
export type { RNNCellOptions, RecurrentCell } from './recurrent-cells.js';
export {
  Flatten,
  PixelShuffle,
  PixelUnshuffle,
  Unflatten,
  Upsample,
  UpsamplingBilinear2d,
  UpsamplingNearest2d,
} from './shape.js';
export type { Size1, Size2, Size3 } from './sizes.js';
export { StateDictError } from './state-dict.js';
export type { LoadResult, StateSource, TensorInfo } from './state-dict.js';
export { summary } from './summary.js';
export type { Summary, SummaryRow } from './summary.js';
export { TransformerEncoderLayer } from './transformer-layer.js';
export type { TransformerEncoderLayerOptions } from './transformer-layer.js';
export { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from './transposed-convolution.js';
export type {
  ConvTranspose1dOptions,
  ConvTranspose2dOptions,
  ConvTranspose3dOptions,
} from './transposed-convolution.js';
export * from './windows.js';
export { spectralNorm, weightNorm } from './weight-norms.js';
export type { SpectralNormOptions } from './weight-norms.js';
export type { BatchNorm, InstanceNorm } from './batch-normalization.js';
export type { ConvOptions, Convolution } from './convolution.js';
export type { RandomOptions } from './init-matrices.js';
export type { Loss, WeightedLoss } from './loss.js';
export type { AvgPool, MaxPool } from './pooling.js';
export type { Recurrent } from './recurrent.js';
export type { Size } from './sizes.js';
export type { ConvTransposeOptions, TransposedConvolution } from './transposed-convolution.js';
export type { ChannelNorm } from './batch-normalization.js';
export type { Pool } from './pooling.js';
