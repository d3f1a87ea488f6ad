/** Builds the first stage's model, optimizers and step from a configuration. */
import { LPIPS_PREFIX } from '../../../models/registry/without-loss.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { chosenDevice, type RunConfig } from '../../../runs/config.js';
import { frozenPartsOf } from '../../../runs/setting-kinds.js';
import { freeze, frozenModules } from './frozen-parts.js';
import { GraphedStep } from './graphed-step.js';
import { checkpointBlocks } from '../../engine/activation-checkpointing.js';
import { clippedBy, normsOf } from '../../engine/clipped-optimizer.js';
import { averageOverProcesses, synchronizeStatistics } from '../../engine/data-parallel.js';
import { FiniteCheck } from '../../engine/finite-check.js';
import { MixedPrecision } from '../../engine/mixed-precision.js';
import { modelOfSection } from '../../engine/model-section.js';
import { namesIn } from '../../engine/parameter-names.js';
import { optimizerOf, type AnyOptimizer } from '../../engine/optimizers.js';
import { timeSteps } from '../../engine/tune.js';
import type { WrappableOptimizer } from '../../engine/wrapped-optimizer.js';
import type { Precision } from '../../../runs/setting-kinds.js';
import { onePassStep } from './one-pass-step.js';
import { lossOf } from './loss.js';
import { referenceStep, type VqganLog, type VqganOptimizers } from './reference-step.js';
import { readsLabels, segmentationStep } from './segmentation-step.js';

/** Losses of a step by their names in metrics.jsonl; tensors stay on the device. */
export type StepLosses = Record<string, Tensor | number>;

export interface VqganParts {
  model: FirstStage;
  precision: MixedPrecision;
  /** By the names under which checkpoints hold them: `generator`, and `discriminator` if there is one. */
  optimizers: Record<string, AnyOptimizer>;
  /** Takes a step on a batch [B, C, H, W]; `totalLoss` is the one that the generator's gradients come from. */
  step(batch: Tensor, globalStep: number): { totalLoss: Tensor; losses: StepLosses };
  /** Looks for NaN and infinity in losses and gradients, if requested. */
  check: FiniteCheck | null;
  /** Replays steps as a CUDA graph, if requested. */
  graphed: GraphedStep | null;
}

/**
 * Builds the model and the optimizers of a configuration. `init: false` leaves the weights uninitialised, to be loaded
 * from a checkpoint; `begin` is called with the model before its weights are used.
 */
export function buildVqgan(
  config: RunConfig,
  precision: Precision,
  device: torch.Device,
  init: boolean,
  begin: (model: FirstStage) => void = () => {},
): VqganParts {
  const { channelsLast, activationCheckpointing } = config.training;
  const model = modelOfSection<FirstStage>(config.model, init).to(device) as FirstStage;
  const memoryFormat = channelsLast ? 'channels_last' : 'contiguous_format';
  begin(model);
  if (channelsLast) model.to({ memoryFormat });
  synchronizeStatistics(model);
  const frozen = frozenModules(model, frozenPartsOf(config.training));
  freeze(frozen);
  if (activationCheckpointing) [model.encoder, model.decoder].forEach(checkpointBlocks);
  const parts = readsLabels(model)
    ? labelParts(model, config, precision)
    : adversarialParts(model, config, precision);
  parts.check?.protect(untrainedState(model, parts));
  model.train();
  freeze(frozen);
  return {
    ...parts,
    model,
    step: (batch, globalStep) => parts.step(batch.contiguous({ memoryFormat }), globalStep),
  };
}

type Parts = Omit<VqganParts, 'model'>;

/** Returns the parameters that the generator's optimizer trains: all of them, except those of frozen parts. */
const trainedBy = (model: FirstStage) =>
  model.generatorParameters().filter((parameter) => parameter.requiresGrad);

/** Returns the state that steps change besides the optimizers: statistics, and codes that follow their latents. */
function untrainedState(model: FirstStage, { precision: { masters }, optimizers }: Parts): Tensor[] {
  const groups = Object.values(optimizers).flatMap(({ paramGroups }) => paramGroups);
  const trained = new Set(groups.flatMap(({ params }) => params));
  const own = [...model.stateDict()].filter(([key]) => !key.startsWith(LPIPS_PREFIX));
  return own.flatMap(([, tensor]) => (trained.has(masters.of([tensor])[0]!) ? [] : [tensor]));
}

/** Trains autoencoder and discriminator against each other. */
function adversarialParts(model: FirstStage, { training }: RunConfig, precision: Precision): Parts {
  const { step, graph, accumulate, clipNorm } = training;
  const { discriminatorLearningRate: lr = training.learningRate } = training;
  const settings = { capturable: graph };
  const { discriminator: network } = lossOf(model);
  const mixed = new MixedPrecision(precision, model);
  mixed.lower(model.encoder, model.decoder, network);
  const { masters } = mixed;
  const [ofGenerator, ofDiscriminator] = [trainedBy(model), network.parameters()];
  const generator = optimizerOf(training, 'Adam', [{ params: masters.of(ofGenerator) }], settings);
  const discriminator = optimizerOf(training, 'Adam', [{ params: masters.of(ofDiscriminator) }], {
    ...settings,
    lr,
  });
  const clipped = { norm: clippedBy(generator, clipNorm), discNorm: clippedBy(discriminator, clipNorm) };
  const check = FiniteCheck.of(training);
  const around = (copies: Tensor[], optimizer: AnyOptimizer, inner: WrappableOptimizer) =>
    mixed.stepper({ copies, names: namesIn(model, copies), optimizer, clipped: inner, check });
  const steppers: VqganOptimizers = {
    generator: around(ofGenerator, generator, clipped.norm),
    discriminator: around(ofDiscriminator, discriminator, clipped.discNorm),
  };
  const several = torch.distributed.worldSize() > 1 ? { average: averageOverProcesses } : {};
  const ofStep = step === 'reference' ? referenceStep : onePassStep;
  const take: typeof ofStep = (...args) => mixed.around(() => ofStep(...args));
  const graphed = graph ? new GraphedStep(model, steppers, take) : null;
  return {
    precision: mixed,
    optimizers: { generator, discriminator },
    check,
    graphed,
    step: (images, globalStep) => {
      const state = { globalStep, accumulate, ...several };
      const log = graphed ? graphed.run(images, state) : take(model, steppers, images, state);
      return {
        totalLoss: log.totalLoss,
        losses: {
          ...lossesOf(log),
          ...lecamOf(model, log),
          ...r1Of(model),
          ...normsOf(clipped),
          ...mixed.figures(images.device),
        },
      };
    },
  };
}

const lossesOf = (log: VqganLog): StepLosses => ({
  rec: log.nllLoss,
  perceptual: log.pLoss,
  vq: log.quantLoss,
  gan: log.gLoss,
  disc: log.discLoss,
  weight: log.dWeight.mul(log.discFactor),
});

/** Returns LeCam's term, if the loss has it. */
const lecamOf = (model: FirstStage, { lecamLoss }: VqganLog): StepLosses =>
  lossOf(model).lecam ? { lecam: lecamLoss } : {};

/** Returns R1 as it was last computed, if the loss has it. */
const r1Of = (model: FirstStage): StepLosses => {
  const { r1 } = lossOf(model);
  return r1 ? { r1: r1.last.clone() } : {};
};

/** Trains an autoencoder of label maps, by one optimizer. */
function labelParts(model: FirstStage, { training }: RunConfig, precision: Precision): Parts {
  const { accumulate, clipNorm } = training;
  const mixed = new MixedPrecision(precision, model);
  mixed.lower(model.encoder, model.decoder);
  const trained = trainedBy(model);
  const generator = optimizerOf(training, 'Adam', [{ params: mixed.masters.of(trained) }]);
  const norm = clippedBy(generator, clipNorm);
  const check = FiniteCheck.of(training);
  const names = namesIn(model, trained);
  const stepper = mixed.stepper({ copies: trained, names, optimizer: generator, clipped: norm, check });
  return {
    precision: mixed,
    optimizers: { generator },
    check,
    graphed: null,
    step: (labels) => {
      const log = mixed.around(() => segmentationStep(model, stepper, labels, { accumulate }));
      const { totalLoss, bceLoss: rec, quantLoss: vq } = log;
      return { totalLoss, losses: { rec, vq, ...normsOf({ norm }), ...mixed.figures(labels.device) } };
    },
  };
}

/** Returns the time of a step in milliseconds, measured on a separate model. */
export function timeVqganStep(config: RunConfig, precision: Precision): number {
  const { batchSize } = config.training;
  const device = chosenDevice(config);
  // With a graph, the first three steps are not replayed, and one is recorded. One batch says enough.
  const eager = { ...config, training: { ...config.training, graph: false, accumulate: 1 } };
  const parts = buildVqgan(eager, precision, device, true);
  const { model, optimizers, check, step } = parts;
  if (!readsLabels(model)) {
    const { perceptualLoss } = lossOf(model);
    // Random LPIPS weights take as long as the trained ones.
    if (config.training.lpips !== 'off') perceptualLoss.loadStateDict(perceptualLoss.stateDict());
    parts.precision.lower(perceptualLoss.net);
  }
  const { size } = config.data;
  const batch = torch.rand([batchSize, model.config.ddconfig.inChannels, size, size], { device });
  // At infinity the discriminator acts, wherever it starts.
  const time = timeSteps(() => torch.scope(() => step(batch, Infinity).totalLoss.item()));
  for (const each of [check, ...Object.values(optimizers), parts.precision]) each?.dispose();
  torch.dispose([batch, parts.precision.masters.all(model)]);
  return time;
}
