/** Builds the first stage's model, optimizers and step from a configuration. */
import { modelFromConfig } from '../../../models/registry/from-config.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as optim from '../../../torch/optim/index.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { chosenDevice, type RunConfig } from '../../../runs/config.js';
import { GraphedStep } from './graphed-step.js';
import { MasterWeights } from '../../engine/precision.js';
import { timeSteps } from '../../engine/tune.js';
import type { Precision } from '../../../runs/setup.js';
import { onePassStep } from './one-pass-step.js';
import { lossOf } from './loss.js';
import { referenceStep, type VqganLog, type VqganOptimizers } from './reference-step.js';

export interface VqganParts {
  model: FirstStage;
  masters: MasterWeights;
  generator: optim.Adam;
  discriminator: optim.Adam;
  step(batch: Tensor, globalStep: number): VqganLog;
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
  const { learningRate: lr, betas, step, graph, channelsLast } = config.training;
  const settings = { lr, betas, capturable: graph };
  const model = modelFromConfig<FirstStage>(config.model, { init }).to(device) as FirstStage;
  const memoryFormat = channelsLast ? 'channels_last' : 'contiguous_format';
  begin(model);
  if (channelsLast) model.to({ memoryFormat });
  const loss = lossOf(model);
  const low = precision === 'bfloat16' ? [model.encoder, model.decoder, loss.discriminator] : [];
  const masters = new MasterWeights(low);
  const [ofGenerator, ofDiscriminator] = [model.generatorParameters(), loss.discriminator.parameters()];
  const generator = new optim.Adam(masters.of(ofGenerator), settings);
  const discriminator = new optim.Adam(masters.of(ofDiscriminator), settings);
  const optimizers: VqganOptimizers = {
    generator: masters.around(ofGenerator, generator),
    discriminator: masters.around(ofDiscriminator, discriminator),
  };
  const take = step === 'reference' ? referenceStep : onePassStep;
  const graphed = graph ? new GraphedStep(model, optimizers, take) : null;
  model.train();
  return {
    model,
    masters,
    generator,
    discriminator,
    step: (batch, globalStep) => {
      const images = batch.contiguous({ memoryFormat });
      return graphed ? graphed.run(images, { globalStep }) : take(model, optimizers, images, { globalStep });
    },
    graphed,
  };
}

/** Returns the time of a step in milliseconds, measured on a separate model. */
export function timeVqganStep(config: RunConfig, precision: Precision): number {
  const { batchSize } = config.training;
  const device = chosenDevice(config);
  const { size, channels } = config.data;
  // With a graph, the first three steps are not replayed, and one is recorded.
  const eager = { ...config, training: { ...config.training, graph: false } };
  const parts = buildVqgan(eager, precision, device, true);
  const loss = lossOf(parts.model);
  // Random LPIPS weights take as long as the trained ones.
  if (config.training.lpips !== 'off') loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict());
  if (precision === 'bfloat16') parts.masters.lower(loss.perceptualLoss.net);
  const batch = torch.rand([batchSize, channels, size, size], { device });
  const time = timeSteps(() => torch.scope(() => parts.step(batch, loss.discStart).totalLoss.item()));
  for (const optimizer of [parts.generator, parts.discriminator]) optimizer.dispose();
  torch.dispose([batch, parts.masters.all(parts.model)]);
  return time;
}
