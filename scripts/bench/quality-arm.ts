/** Our arm of quality.ts: the preset as it is committed, for one request; prints progress and an answer as JSON. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  loadCheckpoint,
  openRun,
  optim,
  referenceStep,
  savePytorch,
  torch,
  VqganTrainer,
  type FirstStage,
  type Tensor,
  type VQLPIPSWithDiscriminator,
} from 'tessera-torch';
import { parse } from 'yaml';
import type { Losses, Request } from './quality-runs.js';

const { ask, folder, out, steps, batch, threads, seed, rate } = JSON.parse(process.argv[2]!) as Request;
const never = 1e9; // In steps: what is not drawn, logged or saved takes no time.

/** Starts the committed recipe, of which only what is compared is set. */
function start(learningRate: number): Promise<VqganTrainer> {
  const path = new URL('../../src/cli/presets/vqgan-small.yaml', import.meta.url);
  const { model, training } = parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>;
  const { minutes: _, ...recipe } = training!;
  const compared = {
    steps,
    batchSize: batch,
    learningRate,
    seed,
    threads,
    device: 'cpu',
    precision: 'float32',
  };
  const quiet = { lpips: 'off', ema: 0.999, logEvery: 50, imagesEvery: never, saveEvery: never };
  const data = { path: join(folder, 'packed'), size: 64 };
  return VqganTrainer.create({ model, data, training: { ...recipe, ...compared, ...quiet } }, { run: out });
}

async function readImages(name: 'train' | 'heldOut'): Promise<Tensor> {
  using images = await loadCheckpoint(join(folder, 'images.pt'));
  const pixels = images.tensors.get(name)!;
  const result = torch.scope(() => pixels.to('float32').div(127.5).sub(1));
  pixels.dispose();
  return result;
}

/** Saves the initial weights of a seed for the other arm, and takes a step of the reference that moves no weight. */
async function initial(): Promise<Losses> {
  const trainer = await start(1e-3);
  const model = trainer.model;
  const weights = [...model.stateDict()].filter(([key]) => !key.includes('perceptual_loss'));
  await savePytorch(join(folder, `weights-seed${seed}.pt`), new Map(weights));
  const loss = model.loss as VQLPIPSWithDiscriminator;
  const options: optim.AdamOptions = { lr: 1e-9, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), options),
    discriminator: new optim.Adam(loss.discriminator.parameters(), options),
  };
  const images = await readImages('train');
  const losses = torch.scope(() => {
    const log = referenceStep(model, optimizers, images.narrow(0, 0, batch), { globalStep: 0 });
    const of = (value: Tensor) => Number(value.item());
    return {
      nll: of(log.nllLoss),
      codebook: of(log.quantLoss),
      generator: of(log.gLoss),
      discriminator: of(log.discLoss),
      weight: of(log.dWeight),
    };
  });
  await trainer.close();
  return losses;
}

/** Reconstructs images in evaluation mode. */
function reconstruct(model: FirstStage, images: Tensor): { images: Tensor; codes: Tensor } {
  return torch.noGrad(() =>
    torch.scope(() => {
      const parts = images.split(32).map((part) => model.forward(part));
      return {
        images: torch.cat(parts.map(({ reconstruction }) => reconstruction)),
        codes: torch.cat(parts.map(({ indices }) => indices)),
      };
    }),
  );
}

async function train(): Promise<{ seconds: number }> {
  const trainer = await start(rate!);
  let seconds = 0;
  for await (const event of trainer.run()) {
    if (event.type !== 'log') continue;
    ({ seconds } = event);
    console.log(JSON.stringify({ step: event.step }));
  }
  const images = await readImages('heldOut');
  for (const [name, ema] of [
    ['trained', false],
    ['averaged', true],
  ] as const) {
    const { model } = await openRun({ run: out, ema }, 'vqgan');
    await savePytorch(join(out, `${name}.pt`), reconstruct(model, images));
  }
  return { seconds };
}

// Standard input ends when quality.ts does, even if it was killed.
process.stdin.resume().on('end', () => process.exit(1));
console.log(JSON.stringify(await (ask === 'initial' ? initial() : train())));
process.exit();
