// An arm of before.ts: times a case a line, in milliseconds, with the package built in this process's folder.
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type * as Tessera from 'tessera-torch';
import { modestBackbone, modestBatch } from './one-pass-model.js';

const {
  generate,
  GPT,
  onePassStep,
  optim,
  referenceStep,
  torch,
  VQLPIPSWithDiscriminator,
  VQModel,
}: typeof Tessera = await import(pathToFileURL(resolve('dist/index.js')).href);

torch.manualSeed(0);

function training(step: typeof referenceStep): () => void {
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
  const model = new VQModel({
    ddconfig: modestBackbone,
    lossconfig: loss,
    nEmbed: 512,
    embedDim: 64,
  }).train();
  const settings: Tessera.optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  const batch = torch.rand(modestBatch).mul(2).sub(1);
  let globalStep = 0;
  // Reading the loss ends the step.
  return () => void step(model, optimizers, batch, { globalStep: globalStep++ }).totalLoss.item();
}

function decoding(): () => void {
  const model = new VQModel({ ddconfig: modestBackbone, nEmbed: 512, embedDim: 64 }).eval();
  const codes = torch.randint(0, 512, [1, 64, 64]);
  return () => void torch.noGrad(() => model.decodeIndices(codes).norm().item()); // [1, 3, 256, 256]
}

function sampling(layers: number, width: number, batch: number): () => void {
  const sizes = { vocabSize: 1024, blockSize: 256, nLayer: layers, nHead: 4, nEmbd: width };
  const gpt = new GPT(sizes).eval();
  const start = torch.zeros([batch, 1], { dtype: 'int64' });
  return () => void generate(gpt, start, 96, { topK: 100 }).sum().item();
}

const makers: Record<string, () => () => void> = {
  'one-pass step': () => training(onePassStep),
  'reference step': () => training(referenceStep),
  'decode 256 × 256': decoding,
  'sample 2 × 64, batch 1': () => sampling(2, 64, 1),
  'sample 6 × 256, batch 8': () => sampling(6, 256, 8),
};
const made = new Map<string, () => void>();

for await (const name of createInterface({ input: process.stdin })) {
  const work = made.get(name) ?? makers[name]!();
  made.set(name, work);
  const start = process.hrtime.bigint();
  torch.scope(work);
  console.log(JSON.stringify(Number(process.hrtime.bigint() - start) / 1e6));
}
