/** Builds the second stage's model, optimizer and step from a configuration. */
import { VectorStage } from '../../../models/conditions/vectors.js';
import type { TwoStage } from '../../../models/two-stage.js';
import { chosenDevice, type RunConfig } from '../../../runs/config.js';
import type { Precision } from '../../../runs/setting-kinds.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { checkpointPrior } from '../../engine/activation-checkpointing.js';
import { clippedBy, normsOf } from '../../engine/clipped-optimizer.js';
import { FiniteCheck } from '../../engine/finite-check.js';
import { MixedPrecision } from '../../engine/mixed-precision.js';
import { modelOfSection } from '../../engine/model-section.js';
import { namesIn } from '../../engine/parameter-names.js';
import { optimizerOf, type AnyOptimizer } from '../../engine/optimizers.js';
import { timeSteps } from '../../engine/tune.js';
import type { Tokens } from './held-out.js';
import { decayGroups, dropConditions, transformerStep, type DecayGroups } from './step.js';

export interface TransformerParts {
  net: TwoStage;
  precision: MixedPrecision;
  optimizer: AnyOptimizer;
  /** Looks for NaN and infinity in losses and gradients, if requested. */
  check: FiniteCheck | null;
  /** Takes one step on codes in reading order [B, L] after their condition; returns the loss, and other values to log. */
  step(tokens: Tokens): { loss: Tensor } & Record<string, Tensor>;
}

/**
 * Builds the model and the optimizer of a configuration. `init: false` leaves the weights uninitialised, to be loaded
 * from a checkpoint; `begin` is called with the model before its weights are used.
 */
export function buildTransformer(
  config: RunConfig,
  precision: Precision,
  device: torch.Device,
  init: boolean,
  begin: (net: TwoStage) => void = () => {},
): TransformerParts {
  const { weightDecay, conditionDropout, accumulate, clipNorm, activationCheckpointing } = config.training;
  const net = modelOfSection<TwoStage>(config.model, init).to(device) as TwoStage;
  begin(net);
  const prior = net.transformer;
  if (activationCheckpointing) checkpointPrior(prior);
  const condition = net.learnedCondition;
  const groups = decayGroups(prior, condition);
  const copies = [...groups.decay, ...groups.noDecay].map(([, parameter]) => parameter);
  const mixed = new MixedPrecision(precision, prior); // Drawing puts only the prior into evaluation mode.
  mixed.lower(prior);
  const { masters } = mixed;
  const mastersOf = (part: DecayGroups['decay']) => masters.of(part.map(([, parameter]) => parameter));
  const optimizer = optimizerOf(config.training, 'AdamW', [
    { params: mastersOf(groups.decay), weightDecay },
    { params: mastersOf(groups.noDecay), weightDecay: 0 },
  ]);
  const norm = clippedBy(optimizer, clipNorm);
  const check = FiniteCheck.of(config.training);
  const names = namesIn(net, copies);
  const stepper = mixed.stepper({ copies, names, optimizer, clipped: norm, check });
  net.train();
  return {
    net,
    precision: mixed,
    optimizer,
    check,
    step: ({ z, c }) =>
      torch.scope(() => {
        const tokens = { z, c: dropConditions(net, c, conditionDropout) };
        const log = mixed.around(() => transformerStep(net, stepper, { tokens }, { accumulate }));
        return { ...log, ...normsOf({ norm }), ...mixed.figures(device) };
      }),
  };
}

/** Returns the time of a step in milliseconds, measured on a separate model. */
export function timeTransformerStep(config: RunConfig, precision: Precision): number {
  const { batchSize } = config.training;
  const device = chosenDevice(config);
  // One batch says enough.
  const single = { ...config, training: { ...config.training, accumulate: 1 } };
  const parts = buildTransformer(single, precision, device, true);
  const { net, optimizer, check, step } = parts;
  const { blockSize } = net.transformer;
  const zeros = (length: number) => torch.zeros([batchSize, length], { dtype: 'int64', device });
  const { condStageModel: stage } = net;
  const tokens =
    stage instanceof VectorStage
      ? {
          z: zeros(blockSize + 1 - stage.count),
          c: torch.zeros([batchSize, stage.count, stage.dim], { device }),
        }
      : { z: zeros(blockSize), c: zeros(1) };
  const time = timeSteps(() => torch.scope(() => step(tokens).loss.item()));
  for (const each of [check, optimizer, parts.precision]) each?.dispose();
  torch.dispose([tokens, parts.precision.masters.all(net)]);
  return time;
}
