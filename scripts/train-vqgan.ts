// Trains the first stage, a VQGAN, on a folder of images. Copy this file and change what you like.
import { Interrupted, readArguments, runScript, UsageError, withOutputFolder } from './command-line.js';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tessera from 'tessera-torch';
import { ImageFolder, optim, torch, VQLPIPSWithDiscriminator, VQModel, type Tensor } from 'tessera-torch';

// Four pixels a code: a 64×64 image becomes 16×16 codes. Each level has two channels a normalisation group, the least
// that lets an image's mean colours through. The paper's model is `backbones.f16` with 1024 codes of width 256.
const model: tessera.VQModelConfig = {
  ddconfig: {
    ch: 64,
    chMult: [1, 1, 1],
    numResBlocks: 0,
    attnResolutions: [],
    resolution: 64,
    inChannels: 3,
    outCh: 3,
    zChannels: 64,
    doubleZ: false,
  },
  nEmbed: 256,
  embedDim: 64,
};

export interface VqganOptions extends tessera.RunLength {
  images: string;
  out: string;
  heldOut?: string | undefined; // a second folder; without it some of `images` are held out
  size?: number | undefined;
  batchSize?: number | undefined;
  learningRate?: number | undefined;
  seed?: number | undefined;
}

/** Trains and writes the folder `out`; true if it was stopped early by Ctrl-C (what there is has been saved). */
export async function trainVqgan(options: VqganOptions): Promise<boolean> {
  const { size = 64, seed = 1 } = options;
  const step = 2 ** (model.ddconfig.chMult!.length - 1);
  if (size % step !== 0) throw new UsageError(`the size must be a multiple of ${step}, not ${size}`);
  const images = await ImageFolder.open(options.images, { size });
  const { train, heldOut } = options.heldOut
    ? { train: images, heldOut: await ImageFolder.open(options.heldOut, { size }) }
    : images.split(Math.min(32, Math.ceil(images.length / 10)), seed);
  return withOutputFolder(options.out, (folder) => run(folder, train, heldOut, options));
}

async function run(folder: string, train: ImageFolder, heldOut: ImageFolder, options: VqganOptions) {
  const { batchSize = 4, learningRate = 1e-3, seed = 1 } = options;
  torch.manualSeed(seed);
  const device = torch.cudaIsAvailable() ? 'cuda:0' : 'cpu';
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0, discWeight: 0.2, discNdf: 32, discNumLayers: 2 });
  const vqgan = new VQModel({ ...model, lossconfig: loss }).to(device).train();
  const settings = { lr: learningRate, betas: [0.5, 0.9] as [number, number] };
  const optimizers = {
    generator: new optim.Adam(vqgan.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  const test = (await heldOut.read([...heldOut.files.keys()].slice(0, 32))).to(device);
  const data = tessera.batches(train, batchSize, { seed });
  const nextBatch = async () => (await data.next()).value.to(device);
  console.log(`vqgan: ${train.length} images to train on, ${heldOut.length} held out, on ${device}`);

  const clock = new tessera.RunClock(options);
  const { signal, release } = tessera.interruptible();
  while (!clock.done && !signal.aborted) {
    if (clock.step % 50 === 0 && clock.progress < 0.6) {
      const recent: Tensor[] = [];
      while (recent.length * batchSize < 32) recent.push(await nextBatch());
      torch.scope(() => tessera.restartUnusedCodes(vqgan, torch.cat(recent)));
    }
    for (const { paramGroups } of Object.values(optimizers)) {
      for (const group of paramGroups) group.lr = tessera.learningRateAt(clock.progress, learningRate);
    }
    const batch = await nextBatch();
    // Counted by the clock: before discStart (step 0) the discriminator neither acts nor learns.
    const globalStep = clock.progress < 0.7 ? -1 : clock.step;
    const report = torch.scope(() => {
      const log = tessera.onePassStep(vqgan, optimizers, batch, { globalStep });
      clock.tick();
      if (!clock.reportDue()) return null;
      const { psnr, codes } = evaluate(vqgan, test);
      const losses = { rec: log.nllLoss.item(), vq: log.quantLoss.item(), gan: log.gLoss.item() };
      return {
        ...losses,
        disc: log.discLoss.item(),
        weight: log.discFactor * log.dWeight.item(),
        psnr,
        codes,
      };
    });
    batch.dispose();
    if (report) {
      const { psnr, codes, ...losses } = report;
      const shown = { ...losses, 'held-out': `${psnr.toFixed(2)} dB`, codes: `${codes}/${model.nEmbed}` };
      console.log(clock.line('vqgan', batchSize, shown));
      const record = { step: clock.step, seconds: clock.seconds, ...report };
      await appendFile(join(folder, 'metrics.jsonl'), `${JSON.stringify(record)}\n`);
    }
  }
  release();

  const weights = new Map([...vqgan.stateDict()].filter(([key]) => !key.startsWith('loss.')));
  const metadata = { config: JSON.stringify(model), size: String(train.size) };
  await tessera.saveSafetensors(join(folder, 'vqgan.safetensors'), weights, { metadata });
  await writeFile(join(folder, 'config.json'), `${JSON.stringify({ ...options, model }, null, 2)}\n`);
  const columns = Math.min(8, test.shape[0]!);
  const rows = test.narrow(0, 0, columns * (test.shape[0]! >= 16 ? 2 : 1)).split(columns);
  const pairs = torch.cat(rows.flatMap((row) => [row, evaluate(vqgan, row).images]));
  await tessera.saveImageGrid(join(folder, 'reconstructions.png'), pairs, { columns, scale: 2 });
  return signal.aborted;
}

/** Reconstructions of images [B, 3, H, W], their mean signal-to-noise ratio in dB, and how many codes they use. */
export function evaluate(vqgan: VQModel, images: Tensor): { images: Tensor; psnr: number; codes: number } {
  return torch.noGrad(() =>
    torch.scope(() => {
      const { reconstruction, indices } = vqgan.forward(images);
      const codes = new Set(indices.flatten().toTypedArray() as BigInt64Array).size;
      return { images: reconstruction, psnr: tessera.psnr(reconstruction, images).mean().item(), codes };
    }),
  );
}

/** Opens the model that `trainVqgan` wrote to a folder, and the size of image it was trained on. */
export async function openVqgan(folder: string): Promise<{ vqgan: VQModel; size: number }> {
  const checkpoint = await tessera.loadCheckpoint(join(folder, 'vqgan.safetensors'));
  try {
    const { config, size } = checkpoint.metadata as { config: string; size: string };
    const vqgan = new VQModel(JSON.parse(config) as tessera.VQModelConfig);
    vqgan.loadStateDict(checkpoint.tensors);
    return { vqgan: vqgan.eval(), size: Number(size) };
  } finally {
    checkpoint.close();
  }
}

const usage = `usage: npx tsx scripts/train-vqgan.ts IMAGES --out FOLDER [--steps N] [--minutes M]
       [--held-out IMAGES] [--size 64] [--batch 4] [--lr 0.001] [--seed 1]`;

await runScript(import.meta.url, usage, async (argv) => {
  const names = ['out', 'steps', 'minutes', 'held-out', 'size', 'batch', 'lr', 'seed'];
  const { folder, text, number, integer } = readArguments(argv, names);
  const out = text('out');
  if (!folder || !out) throw new UsageError('name the folder of images, and --out for the results');
  const interrupted = await trainVqgan({
    images: folder,
    out,
    heldOut: text('held-out'),
    size: integer('size'),
    batchSize: integer('batch'),
    learningRate: number('lr'),
    seed: integer('seed'),
    minutes: number('minutes'),
    steps: integer('steps') ?? (text('minutes') ? undefined : 20_000),
  });
  if (interrupted) throw new Interrupted();
});
