// Trains the second stage, a transformer over a trained VQGAN's codes, and samples images from it.
import { Interrupted, readArguments, runScript, UsageError, withOutputFolder } from './command-line.js';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tessera from 'tessera-torch';
import { GPT, ImageFolder, Net2NetTransformer, torch, type Tensor } from 'tessera-torch';
import { openVqgan } from './train-vqgan.js';

// The paper's transformers are `gptPresets`: 24 layers 1024 wide and more.
const model = { nLayer: 4, nHead: 4, nEmbd: 192 };

export interface TransformerOptions extends tessera.RunLength {
  images: string;
  vqgan: string; // a folder written by train-vqgan
  out: string;
  heldOut?: string | undefined; // a second folder; without it some of `images` are held out
  batchSize?: number | undefined;
  learningRate?: number | undefined;
  seed?: number | undefined;
  samples?: number | undefined;
  topK?: number | undefined;
}

/** Trains and writes the folder `out`; true if it was stopped early by Ctrl-C (what there is has been saved). */
export async function trainTransformer(options: TransformerOptions): Promise<boolean> {
  const { vqgan, size } = await openVqgan(options.vqgan);
  const images = await ImageFolder.open(options.images, { size });
  const { train, heldOut } = options.heldOut
    ? { train: images, heldOut: await ImageFolder.open(options.heldOut, { size }) }
    : images.split(Math.min(32, Math.ceil(images.length / 10)), options.seed);
  return withOutputFolder(options.out, (folder) => run(folder, vqgan, train, heldOut, options));
}

async function run(
  folder: string,
  vqgan: tessera.VQModel,
  train: ImageFolder,
  heldOut: ImageFolder,
  options: TransformerOptions,
): Promise<boolean> {
  const { batchSize = 8, learningRate = 1e-3, seed = 1, samples = 32, topK = 100 } = options;
  torch.manualSeed(seed);
  const device = torch.cudaIsAvailable() ? 'cuda:0' : 'cpu';
  const { signal, release } = tessera.interruptible();
  vqgan.to(device);

  // The first stage is frozen, so every image and its mirror image is encoded once, not at every step.
  const { codes, grid } = await encodeAll(vqgan, train, true, signal);
  const test = (await encodeAll(vqgan, heldOut, false, signal)).codes;
  const length = grid[0] * grid[1];
  const vocabSize = vqgan.config.nEmbed;
  const gpt = new GPT({ ...model, vocabSize, blockSize: length });
  const net = new Net2NetTransformer({
    transformerConfig: gpt,
    firstStageConfig: vqgan,
    unconditional: true,
  });
  net.to(device).train();
  const optimizer = tessera.transformerOptimizer(gpt, { lr: learningRate });
  const starts = (count: number) => net.encodeToC(torch.zeros([count, 1], { device })).indices; // [B, 1]
  console.log(
    `transformer: ${codes.shape[0]} rows of ${length} codes to train on, ${heldOut.length} held out`,
  );

  const clock = new tessera.RunClock(options);
  while (!clock.done && !signal.aborted) {
    for (const group of optimizer.paramGroups) {
      group.lr = tessera.learningRateAt(clock.progress, learningRate);
    }
    const report = torch.scope(() => {
      const z = codes.indexSelect(
        0,
        torch.randint(0, codes.shape[0]!, [batchSize], { dtype: 'int64', device }),
      );
      const { loss } = tessera.transformerStep(net, optimizer, { tokens: { z, c: starts(batchSize) } });
      clock.tick();
      if (!clock.reportDue()) return null;
      const tokens = { z: test, c: starts(test.shape[0]!) };
      const heldOutLoss = torch.noGrad(() => tessera.transformerLoss(net.eval(), { tokens }).item());
      net.train();
      return { loss: loss.item(), heldOutLoss };
    });
    if (report) {
      console.log(
        clock.line('transformer', batchSize, { loss: report.loss, 'held-out': report.heldOutLoss }),
      );
      const record = { step: clock.step, seconds: clock.seconds, ...report };
      await appendFile(join(folder, 'metrics.jsonl'), `${JSON.stringify(record)}\n`);
    }
    await new Promise(setImmediate); // Lets Ctrl-C be heard between the synchronous steps.
  }
  release();

  const config = JSON.stringify({ ...model, vocabSize, blockSize: length, grid });
  const weights = gpt.stateDict();
  await tessera.saveSafetensors(join(folder, 'transformer.safetensors'), weights, { metadata: { config } });
  await writeFile(join(folder, 'config.json'), `${JSON.stringify({ ...options, model }, null, 2)}\n`);
  const images = tessera.sampleImages(net.eval(), starts(samples), { grid, topK: Math.min(topK, vocabSize) });
  await tessera.saveImageGrid(join(folder, 'samples.png'), images, { columns: 8, scale: 2 });
  return signal.aborted;
}

/** The codes of a folder's images as rows in reading order, int64 [N, h·w]; with `mirror`, [2N, h·w]. */
async function encodeAll(vqgan: tessera.VQModel, images: ImageFolder, mirror: boolean, signal: AbortSignal) {
  const rows: Tensor[] = [];
  let grid: [number, number] = [0, 0];
  for (let first = 0; first < images.length && !(signal.aborted && rows.length > 0); first += 16) {
    const x = await images.read([...Array(Math.min(16, images.length - first)).keys()].map((i) => first + i));
    for (const batch of mirror ? [x, x.flip([3])] : [x]) {
      const { indices } = torch.noGrad(() => vqgan.encode(batch.to(vqgan.lastLayer.device))); // [B, h, w]
      grid = [indices.shape[1]!, indices.shape[2]!];
      rows.push(indices.flatten(1));
    }
    await new Promise(setImmediate);
  }
  return { codes: torch.cat(rows), grid };
}

const usage = `usage: npx tsx scripts/train-transformer.ts IMAGES --vqgan FOLDER --out FOLDER [--steps N] [--minutes M]
       [--held-out IMAGES] [--batch 8] [--lr 0.001] [--seed 1] [--samples 32] [--top-k 100]`;

await runScript(import.meta.url, usage, async (argv) => {
  const names = ['vqgan', 'out', 'steps', 'minutes', 'held-out', 'batch', 'lr', 'seed', 'samples', 'top-k'];
  const { folder, text, number, integer } = readArguments(argv, names);
  const [vqgan, out] = [text('vqgan'), text('out')];
  if (!folder || !vqgan || !out) {
    throw new UsageError('name the folder of images, the trained --vqgan, and --out for the results');
  }
  const interrupted = await trainTransformer({
    images: folder,
    vqgan,
    out,
    heldOut: text('held-out'),
    batchSize: integer('batch'),
    learningRate: number('lr'),
    seed: integer('seed'),
    samples: integer('samples'),
    topK: integer('top-k'),
    minutes: number('minutes'),
    steps: integer('steps') ?? (text('minutes') ? undefined : 20_000),
  });
  if (interrupted) throw new Interrupted();
});
