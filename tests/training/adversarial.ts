/** A tiny first stage with a discriminator, for tests of training steps. */
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import type { VQLPIPSWithDiscriminatorConfig } from '../../src/models/losses/vqgan-loss.js';
import type { Discriminator } from '../../src/models/discriminators/index.js';
import { EMAVQ, VQModel, type FirstStage } from '../../src/models/autoencoder/vqgan.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import type { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { ddconfig } from '../sampling/first-stages.js';

export const sizes = { nEmbed: 12, embedDim: 4 };

const lossSettings = { discStart: 1, perceptualWeight: 0 };
const patches = { discNumLayers: 1, discNdf: 4, useActnorm: true };

export interface Made {
  model: FirstStage;
  /** Takes a step, and returns its log. */
  step(batch: Tensor, globalStep: number, accumulate: number): Record<string, Tensor | number>;
}

export const adam = (parameters: Tensor[]) => new optim.Adam(parameters, { lr: 1e-2, betas: [0.5, 0.9] });

interface Making {
  Model?: typeof VQModel | typeof EMAVQ;
  dropout?: number;
  loss?: Partial<VQLPIPSWithDiscriminatorConfig<Discriminator>>;
}

/**
 * A float64 model whose discriminator has no batch statistics, so that a batch and its parts must agree. It acts from
 * the second step on.
 */
export function adversarial(
  take: typeof onePassStep,
  { Model = VQModel, dropout = 0, loss: given = {} }: Making = {},
): Made & { loss: VQLPIPSWithDiscriminator<Discriminator> } {
  torch.manualSeed(3);
  // LPIPS is not used, and costs much.
  const settings = { ...lossSettings, ...(!given.discriminator && patches), ...given };
  const loss = nn.skipInit(() => new VQLPIPSWithDiscriminator(settings));
  for (const parameter of loss.discriminator.parameters()) nn.init.normal_(parameter, 0, 0.3);
  const ofModel = {
    ddconfig: { ...ddconfig, dropout, numResBlocks: dropout > 0 ? 1 : 0 },
    ...sizes,
    lossconfig: loss,
  };
  const model = (
    Model === EMAVQ ? new EMAVQ({ ...ofModel, beta: 0.25 }) : new VQModel(ofModel)
  ) as FirstStage;
  const { encoder, decoder, quantConv, postQuantConv, quantize } = model.train();
  for (const part of [encoder, decoder, quantConv, postQuantConv, quantize, loss.discriminator])
    part.to('float64');
  for (const part of [loss.adversarialWeight, loss.lecam, loss.r1]) part?.to('float64');
  // ActNorm takes its scale from a first batch, and spectral norm goes on until its singular vectors stand still.
  const first = torch.randn([4, 3, 8, 8], { dtype: 'float64' });
  for (let i = 0; i < (given.discSpectralNorm ? 500 : 1); i++) torch.scope(() => void loss.logits(first));
  const optimizers = {
    generator: adam(model.generatorParameters()),
    discriminator: adam(loss.discriminator.parameters()),
  };
  return {
    model,
    loss,
    step: (batch, globalStep, accumulate) => ({
      ...take(model, optimizers, batch, { globalStep, accumulate }),
    }),
  };
}
