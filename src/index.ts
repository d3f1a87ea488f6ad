/// <reference lib="es2022" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
// The declarations need nothing of the user's settings: not the newest library, nor the types of Node or of a browser,
// which say more of a signal where they are there.
declare global {
  interface AbortSignal {}
}

export * as torch from './torch/index.js';
export * as nn from './torch/nn/index.js';
export * as F from './torch/nn/functional.js';
export * as optim from './torch/optim/index.js';
export type { Tensor } from './torch/index.js';
export type { Module } from './torch/nn/index.js';
export * from './torch/io/index.js';

export * from './models/autoencoder/encoder.js';
export * from './models/autoencoder/decoder.js';
export {
  LookupQuantizer,
  NearestQuantizer,
  Quantizer,
  type QuantizerConfig,
} from './models/quantizers/quantizer.js';
export type { Quantizer as RemappableQuantizer } from './models/quantizers/quantizer.js';
export * from './models/quantizers/index.js';
export type { Digests } from './data/digests.js';
export type { BitForm, BitwiseQuantizer, NumberedBits } from './models/quantizers/bitwise.js';
export type { CodebookConfig, EMACodebook } from './models/quantizers/ema-codebook.js';
export type { CosineSimLinear } from './models/quantizers/projection.js';
export type { Mix, PartlySharedPhi, Phi, Phis, SharedPhi } from './models/quantizers/phi.js';
export type { LastActive, ResidualConfig, ResidualQuantizer } from './models/quantizers/residual.js';
export type { Draws } from './models/quantizers/draws.js';
export type { Lookup } from './models/quantizers/lookups.js';
export { backbones, type BackboneConfig } from './models/autoencoder/blocks.js';
export type { UnknownIndex } from './models/quantizers/remap.js';
export {
  EMAVQ,
  FirstStage as VqganFirstStage,
  type EMAVQConfig,
  type FirstStageConfig,
  GumbelVQ,
  type GumbelVQConfig,
  type Reconstruction,
  VQModel,
  type VQModelConfig,
} from './models/autoencoder/vqgan.js';
export { VQGAN, type VQGANConfig } from './models/autoencoder/any-quantizer.js';
export * from './models/discriminators/index.js';
export * from './models/losses/adaptive-weight.js';
export {
  hingeDiscriminatorLoss,
  hingeGeneratorLoss,
  nonSaturatingDiscriminatorLoss,
  nonSaturatingGeneratorLoss,
  vanillaDiscriminatorLoss,
} from './models/losses/adversarial-losses.js';
export { diffAugment, drawDiffAugment, type DiffAugmentDraws } from './models/losses/diff-augment.js';
export * from './models/losses/lecam.js';
export * from './models/losses/lpips.js';
export { r1, R1Penalty, type Judge } from './models/losses/r1.js';
export * from './models/losses/vqgan-loss.js';
export * from './models/losses/segmentation-loss.js';
export { gptPresets, type GPTConfig, type ResolvedConfig } from './models/priors/gpt-config.js';
export * from './models/priors/index.js';
export {
  KeyValueCache,
  type AnyCache,
  type CacheAt,
  type CacheRows,
  type KeyValueCacheShape,
} from './models/priors/key-value-cache.js';
export type * from './models/priors/prior.js';
export type { Affine } from './torch/nn/packed-weights.js';
export {
  Net2NetTransformer,
  type EncodedTokens,
  type ImageStage as FirstStage,
  type Net2NetParts,
  type Net2NetTransformerConfig,
  type TwoStage,
} from './models/two-stage.js';
export type { TwoStageSettings } from './models/two-stage-config.js';
export type { Encoded, Quantized, QuantizedByTerms } from './models/encoded.js';
export * from './models/conditions/index.js';
export * from './models/orders/permuter.js';
export { loadWeights, LoadReport, type Difference, type LoadWeightsOptions } from './models/weights/load.js';
export { initFromCkpt, unloadedCheckpoints, type UnloadedCheckpoint } from './models/weights/initial.js';
export {
  diffusers,
  keyMaps,
  latentDiffusion,
  latentDiffusionAverage,
  llamaGen,
  recogniseKeys,
  withKeys,
  type KeyMap,
  type KeyTable,
} from './models/weights/key-maps/index.js';
export { publishedLpips } from './models/weights/lpips.js';
export * from './models/weights/published.js';
export * from './models/weights/trim.js';
export {
  modelFromConfig,
  type ModelConfig,
  type ModelFromConfigOptions,
} from './models/registry/from-config.js';
export { ConfigFileError } from './config/file-error.js';
export { readConfig, type ConfigFile } from './models/registry/read-config.js';

export * from './training/stages/vqgan/reference-step.js';
export * from './training/stages/vqgan/one-pass-step.js';
export type { Accumulation } from './training/engine/accumulate.js';
export { checkpointBlocks } from './training/engine/activation-checkpointing.js';
export { ClippedOptimizer } from './training/engine/clipped-optimizer.js';
export { WrappedOptimizer, type WrappableOptimizer } from './training/engine/wrapped-optimizer.js';
export {
  averageOverProcesses,
  DataParallelOptimizer,
  synchronizeStatistics,
  type DataParallelOptions,
} from './training/engine/data-parallel.js';
export type { GradientBucket } from './training/engine/gradient-buckets.js';
export { FiniteCheck, type NonFinitePolicy, type NonFiniteReport } from './training/engine/finite-check.js';
export { GuardedOptimizer, type GuardableOptimizer } from './training/engine/guarded-optimizer.js';
export type { StepOptimizer } from './training/engine/step-optimizer.js';
export { GraphedStep } from './training/stages/vqgan/graphed-step.js';
export { RowOrder } from './training/stages/transformer/row-order.js';
export * from './training/stages/transformer/step.js';
export * from './training/engine/schedule.js';
export { RunClock, type RunClockOptions, type RunLength } from './runs/clock.js';
export { Run } from './runs/run.js';
export type { RunOpening } from './runs/opening.js';
export type { ImagesState, RunSetup } from './runs/setup.js';
export type { RunOptimizer, TrainedState } from './runs/state.js';
export { closeTraining, train } from './training/train.js';
export { followed } from './training/engine/followed.js';
export { keepingGenerators } from './training/engine/generators.js';
export { Recovery, type Recoverable } from './training/engine/recovery.js';
export { rescued, wholeWhileReading } from './training/engine/rescue.js';
export { slowData } from './training/engine/slow-data.js';
export { checkChoice } from './runs/choice.js';
export { writeModelCard, type CardFacts } from './reports/model-card.js';
export type { Figures, MetricValues, TrainableStage } from './training/stage.js';
export { interruptible, type Interruptible } from './files/interrupt.js';
export * from './training/stages/vqgan/code-restarts.js';
export { resolveConfig, type Interval, type RunConfig, type TrainingConfig } from './runs/config.js';
export type { Precision, ScheduleName } from './runs/setting-kinds.js';
export type { Stage as TrainingStage } from './runs/config.js';
export * from './runs/events.js';
export { NonFiniteError, RunError } from './runs/error.js';
export type { Images, TrainerOptions } from './training/images.js';
export type { RunPlan } from './training/trainer.js';
export { VqganTrainer } from './training/vqgan-trainer.js';
export { TransformerTrainer } from './training/transformer-trainer.js';
export { WeightAverage } from './training/engine/weight-average.js';
export { MasterWeights, type HalfDType } from './training/engine/precision.js';
export { bestCheckpoint, listCheckpoints, newestCheckpoint, type RunCheckpoint } from './runs/checkpoint.js';
export { readMetrics, type MetricsRecord } from './runs/folder.js';
export { openRun, type ModelSource, type OpenedRun, type RunSource } from './runs/open.js';
export * from './tokenizer/image-tokenizer.js';
export type { TokenizerDType } from './tokenizer/dtype.js';
export type { CheckpointAndConfig } from './runs/checkpoint-file.js';
export type { Fit, FitOptions, Padding } from './tokenizer/fit.js';
export { TokenSet } from './tokenizer/token-set.js';
export { tokenText, type TemplateName } from './tokenizer/templates.js';
export type { TileOptions } from './tokenizer/tiles.js';
export * from './reports/index.js';
export {
  checkFilterOptions,
  codeLogits,
  drawToken,
  filterLogits,
  minPLogits,
  pickToken,
  tokenProbabilities,
  topKLogits,
  topPLogits,
  type Drawn,
  type FilterOptions,
  type PickOptions,
} from './sampling/logits.js';
export { LogitsError } from './sampling/logits-error.js';
export {
  guidanceScales,
  guidedLogits,
  type GuidanceOptions,
  type GuidanceSchedule,
} from './sampling/guidance.js';
export { repetitionLogits } from './sampling/repetition.js';
export { generate, TokenSampler, type GenerateOptions, type SequenceOptions } from './sampling/sampler.js';
export type { DrawOptions } from './sampling/engines/token-memory.js';
export type { KnownTokens } from './sampling/orders/raster.js';
export type { RecordedStep, StepRecorder, TokenSamplerOptions } from './sampling/engines/recorded.js';
export * from './sampling/images.js';
export {
  sampleAccepted,
  type AcceptedImages,
  type Classifier,
  type RejectionOptions,
} from './sampling/rejection.js';
export {
  completeImages,
  type Canvas,
  type CompletedImages,
  type CompleteImagesOptions,
} from './sampling/completion.js';
export { tokenLogProbabilities, variations, type VariationsOptions } from './sampling/variations.js';
export type { RedrawOptions } from './sampling/redraw.js';
export { sampleScene, type SampleSceneOptions } from './sampling/scenes.js';
export type { GridCondition } from './sampling/window-condition.js';
export { sampleWindowed, type SampleWindowedOptions } from './sampling/windows.js';
export type { WindowOptions } from './sampling/window-options.js';
export type { WindowCell, WindowStep } from './sampling/orders/window.js';

export * from './data/index.js';
export { confusionOf, meanIou, pixelAccuracy } from './metrics/label-maps.js';
export { differingField, expectAlike, UnlikeProtocolsError, type Evaluation } from './metrics/evaluation.js';
export { measureFeatures, type FeatureSets } from './metrics/feature-metrics.js';
export { extractFeatures, featuresOf, weightsHash, type FeatureNetwork } from './metrics/extract.js';
export { loadFeatures, saveFeatures, type FeatureSet } from './metrics/feature-file.js';
export { InceptionV3, loadInception, type InceptionV3Config } from './metrics/inception/inception.js';
export type { Protocol } from './metrics/protocol.js';
export {
  featureStatistics,
  frechetDistance,
  statisticsDistance,
  type FeatureStatistics,
} from './metrics/frechet.js';
export { inceptionScore } from './metrics/inception-score.js';
export { kernelDistance, type KernelDistanceOptions, type RowSubsets } from './metrics/kernel-distance.js';
export type { MeanAndDeviation } from './metrics/mean-and-deviation.js';
export {
  memorisation,
  nearestNeighbours,
  type Memorisation,
  type Nearest,
} from './metrics/nearest-neighbours.js';
export {
  precisionRecall,
  type PrecisionRecall,
  type PrecisionRecallOptions,
} from './metrics/precision-recall.js';
export { psnr } from './metrics/psnr.js';
export { msSsim, ssim, type MsSsimOptions, type SsimOptions } from './metrics/ssim.js';
export type { RangeOptions } from './metrics/pair.js';
export { codebookUse, countCodesOf, histogramEntropy, type CodebookUse } from './metrics/codebook-use.js';
export { countModelCrossEntropy, type CodeGrid, type CountModelOptions } from './metrics/count-model.js';
export { meanColourBlocks } from './metrics/mean-colour.js';
export type { Field, Given, Group, Schema, Settings } from './config/schema.js';
export type { BuiltIn } from './data/built-in/built-in.js';
export type { Sides } from './data/batches/crop.js';
export type { ImageFilesOptions } from './data/files/image-files.js';
export type { ResizedCrop } from './data/batches/random-resized-crop.js';
export type { NotoIcons } from './data/built-in/noto-icons.js';
export type { Ridge } from './data/built-in/scene-layout.js';
export type { Raster, SpriteKind, SpriteTint } from './data/built-in/scene-sprites.js';
export type { Middle } from './models/autoencoder/blocks.js';
export type { Origin } from './models/weights/key-maps/key-map.js';
export type { Measure } from './metrics/definitions.js';
export type { CheckpointState, OnBytes } from './runs/checkpoint.js';
export type { RunSaveOptions } from './runs/saving.js';
export type { RunTask } from './runs/timetable.js';
export type { WeightsChoice } from './runs/weights.js';
export type { ModelOf } from './runs/open.js';
export type { Split } from './data/split.js';
export type { TokenSets } from './training/token-images.js';
export type { Trainer } from './training/trainer.js';
export type { Tokens } from './training/stages/transformer/held-out.js';
export type {
  AttnBlock,
  Downsample,
  Level,
  LevelOptions,
  ResnetBlock,
  Upsample,
} from './models/autoencoder/blocks.js';
export type { Level as DownLevel, Level as UpLevel } from './models/autoencoder/blocks.js';
export type { Change } from './models/weights/key-maps/key-map.js';
