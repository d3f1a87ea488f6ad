import test from 'ava';
import * as torch from '../../../../src/torch/index.js';
import * as optim from '../../../../src/torch/optim/index.js';
import { VQLPIPSWithDiscriminator } from '../../../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../../../src/models/autoencoder/vqgan.js';
import { GraphedStep } from '../../../../src/training/stages/vqgan/graphed-step.js';
import { onePassStep } from '../../../../src/training/stages/vqgan/one-pass-step.js';

function prepared() {
  torch.manualSeed(5);
  const loss = new VQLPIPSWithDiscriminator({
    discStart: 2,
    discNdf: 8,
    discNumLayers: 1,
    perceptualWeight: 0,
  });
  const model = new VQModel({
    ddconfig: {
      ch: 32,
      chMult: [1, 1],
      numResBlocks: 1,
      attnResolutions: [],
      resolution: 16,
      inChannels: 3,
      outCh: 3,
      zChannels: 32,
      doubleZ: false,
    },
    nEmbed: 16,
    embedDim: 8,
    lossconfig: loss,
  });
  const generator = new optim.Adam(model.generatorParameters(), { lr: 1e-3 });
  const discriminator = new optim.Adam(loss.discriminator.parameters(), { lr: 1e-3 });
  return { model, optimizers: { generator, discriminator } };
}

test('where there are no graphs a graphed step is the step, across the start of the discriminator', (t) => {
  if (torch.cuda.isAvailable()) return t.pass();
  const [plain, graphed] = [prepared(), prepared()];
  const step = new GraphedStep(graphed.model, graphed.optimizers);
  t.regex(step.eagerReason!, /CUDA is not available/);
  const batch = torch.rand([2, 3, 16, 16]).mul(2).sub(1);
  for (let globalStep = 0; globalStep < 4; globalStep++) {
    if (globalStep === 3)
      for (const { optimizers } of [plain, graphed]) optimizers.generator.paramGroups[0]!.lr = 1e-4;
    const expected = onePassStep(plain.model, plain.optimizers, batch, { globalStep });
    const log = step.run(batch, { globalStep });
    t.is(log.discFactor, globalStep < 2 ? 0 : 1);
    t.is(log.totalLoss.item(), expected.totalLoss.item());
    t.is(log.discLoss.item(), expected.discLoss.item());
  }
  t.regex(step.eagerReason!, /CUDA is not available/);
  step.dispose();
});
