// An arm of one-pass.ts: milliseconds of one training step, for each line of input. The first argument names the step.
import { createInterface } from 'node:readline';
import { VQLPIPSWithDiscriminator, VQModel, onePassStep, optim, referenceStep, torch } from 'tessera-torch';
import { modestBackbone, modestBatch } from './one-pass-model.js';

torch.setNumThreads(1);
torch.manualSeed(0);
const step = process.argv[2] === 'one-pass' ? onePassStep : referenceStep;
const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
const model = new VQModel({ ddconfig: modestBackbone, lossconfig: loss, nEmbed: 512, embedDim: 64 }).train();
const settings: optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9] };
const optimizers = {
  generator: new optim.Adam(model.generatorParameters(), settings),
  discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
};
const batch = torch.rand(modestBatch).mul(2).sub(1);
let globalStep = 0;

for await (const _ of createInterface({ input: process.stdin })) {
  const start = process.hrtime.bigint();
  torch.scope(() => {
    // Reading the loss ends the step on any device.
    step(model, optimizers, batch, { globalStep: globalStep++ }).totalLoss.item();
  });
  console.log(JSON.stringify(Number(process.hrtime.bigint() - start) / 1e6));
}
