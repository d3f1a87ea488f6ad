import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { generate } from '../../src/sampling/sampler.js';
import { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { device, onDevice, placed } from './device.js';

/** TESSERA_TEST_STEPS shortens the long run where the point is only that it runs. */
const steps = Number(process.env['TESSERA_TEST_STEPS'] ?? 10_000);

/** Bytes of this process in memory. */
function resident(): number {
  const pages = readFileSync('/proc/self/statm', 'utf8').split(' ')[1]!;
  return Number(pages) * 4096;
}

/** A VQGAN small enough for ten thousand steps, with its losses. */
function smallVqgan() {
  const loss = new VQLPIPSWithDiscriminator({
    discStart: 0,
    discNdf: 8,
    discNumLayers: 1,
    perceptualWeight: 0,
  });
  const ddconfig = {
    ch: 32,
    chMult: [1, 1],
    numResBlocks: 0,
    attnResolutions: [],
    resolution: 16,
    inChannels: 3,
    outCh: 3,
    zChannels: 32,
    doubleZ: false,
  };
  const model = placed(() => new VQModel({ ddconfig, lossconfig: loss, nEmbed: 16, embedDim: 8 })).train();
  const settings: optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  let globalStep = 0;
  return (count: number, side = 16) =>
    torch.scope(() => {
      const image = torch
        .rand([Math.min(count, 2), 3, side, side], { device })
        .mul(2)
        .sub(1);
      const batch = count > 2 ? image.narrow(0, 0, 1).expand([count, 3, side, side]) : image;
      return Number(
        onePassStep(model, optimizers, batch, { globalStep: globalStep++ }).totalLoss.isfinite().item(),
      );
    });
}

/** A few numbers may be waiting for the garbage collector; a single picture of the batch may not. */
function assertFlat(t: ExecutionContext, after: torch.Memory['bytes'], before: torch.Memory['bytes']): void {
  for (const [place, bytes] of Object.entries(after)) {
    const apart = Math.abs(bytes - (before[place] ?? 0));
    t.true(apart < 2048, `${place}: ${apart} bytes more or less than before`);
  }
}

/** Least-squares slope of y over x. */
function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length;
  const [mx, my] = [0, 1].map((i) => points.reduce((sum, point) => sum + point[i]!, 0) / n) as [
    number,
    number,
  ];
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

onDevice(`${steps} training steps leave live tensors and memory flat`, (t) => {
  t.timeout(400_000);
  const step = smallVqgan();
  for (let i = 0; i < 20; i++) step(2);
  const before = torch.memory();
  const points: [number, number][] = [];
  const settle = Math.min(1000, steps / 4);
  for (let i = 0; i < steps; i++) {
    step(2);
    if (i >= settle && i % Math.ceil(steps / 200) === 0) points.push([i, resident()]);
  }
  const after = torch.memory();
  t.is(after.tensors, before.tensors);
  assertFlat(t, after.bytes, before.bytes);
  const growth = slope(points);
  t.log(`resident memory grows ${(growth / 1024).toFixed(3)} KB a step`);
  if (steps >= 5000) t.true(growth < 1024, `${growth} bytes a step`);
});

onDevice('out of memory is an error, after which a smaller step works and nothing is left behind', (t) => {
  const step = smallVqgan();
  t.is(step(2), 1);
  const before = torch.memory();
  for (let round = 0; round < 3; round++) {
    // The output of the first layer would be 9 TB.
    t.throws(() => step(1 << 24, 64), { instanceOf: torch.OutOfMemoryError });
    t.is(torch.memory().tensors, before.tensors);
    t.is(step(2), 1);
  }
  assertFlat(t, torch.memory().bytes, before.bytes);
});

onDevice('sampling leaves nothing behind', (t) => {
  const gpt = placed(() => new GPT({ vocabSize: 64, blockSize: 40, nLayer: 2, nHead: 2, nEmbd: 32 }));
  const start = torch.zeros([4, 1], { dtype: 'int64', device });
  const sample = () => generate(gpt, start, 32, { topK: 10 }).dispose();
  sample();
  const before = torch.memory();
  for (let i = 0; i < 5; i++) sample();
  t.is(torch.memory().tensors, before.tensors);
  assertFlat(t, torch.memory().bytes, before.bytes);
});
