/**
 * Cost of decoding in a training step: the same steps of a small VQGAN at 64 × 64 on 256-pixel JPEG files decoded each
 * time, on the same files as they are opened by default (decoded once, kept in memory), and on the same images packed.
 * Rounds alternate in one process; a loader reads ahead only in its own rounds.
 * `npx tsx scripts/bench/decode.ts [seconds]`
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import {
  Loader,
  makeScene,
  onePassStep,
  openImages,
  openSpriteSheet,
  optim,
  packImages,
  torch,
  VQLPIPSWithDiscriminator,
  VQModel,
} from 'tessera-torch';
import type { ImageSource } from 'tessera-torch';
import { median } from './arms.js';

const seconds = Number(process.argv[2] ?? 40);
const pictures = 64;
const side = 256;
const batchSize = 8;
const stepsPerRound = 5;

/** A small first stage: 16 × 16 codes, as the demo trains. */
function makeTrainer() {
  torch.manualSeed(0);
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 32, discNumLayers: 2 });
  const ddconfig = {
    ch: 64,
    chMult: [1, 1, 1],
    numResBlocks: 0,
    attnResolutions: [],
    resolution: 64,
    inChannels: 3,
    outCh: 3,
    zChannels: 64,
    doubleZ: false,
  };
  const model = new VQModel({ ddconfig, lossconfig: loss, nEmbed: 256, embedDim: 64 }).train();
  const settings: optim.AdamOptions = { lr: 1e-3, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  let globalStep = 0;
  return (images: torch.Tensor) =>
    torch.scope(() => onePassStep(model, optimizers, images, { globalStep: globalStep++ }).totalLoss.item());
}

async function writePhotos(folder: string): Promise<void> {
  await mkdir(folder);
  const sprites = await openSpriteSheet();
  for (let index = 0; index < pictures; index++) {
    const { image } = await makeScene({ seed: 1, index, width: side, height: side }, sprites);
    const file = join(folder, `${index}.jpg`);
    await sharp(image, { raw: { width: side, height: side, channels: 3 } })
      .jpeg({ quality: 90 })
      .toFile(file);
  }
}

/** One round's milliseconds a step, and how many of them were spent waiting. */
async function round(source: ImageSource, step: (images: torch.Tensor) => number, position: number) {
  const loader = new Loader(source, { batchSize, seed: 1, position: { epoch: position, position: 0 } });
  let begun = 0;
  let waited = 0;
  for (let i = -2; i < stepsPerRound; i++) {
    if (i === 0) [begun, waited] = [performance.now(), 0]; // The first two fill the loader's queue.
    const batch = await loader.next();
    waited += batch.waited;
    step(batch.images);
    batch.images.dispose();
  }
  const took = performance.now() - begun;
  loader.close();
  return { step: took / stepsPerRound, waited: waited / stepsPerRound };
}

function percent(shares: readonly number[]): string {
  const [middle, lowest, highest] = [median(shares), Math.min(...shares), Math.max(...shares)];
  return `${(100 * middle).toFixed(1)}% (${(100 * lowest).toFixed(1)} to ${(100 * highest).toFixed(1)})`;
}

const folder = await mkdtemp(join(tmpdir(), 'tessera-decode-'));
try {
  const files = join(folder, 'photos');
  const packed = join(folder, 'packed');
  await writePhotos(files);
  await packImages({ path: files, size: 64 }, packed);
  const arms = {
    live: await openImages({ path: files, size: 64 }, { cacheBytes: 0, decodeAll: false }),
    kept: await openImages({ path: files, size: 64 }),
    packed: await openImages({ path: packed, size: 64 }),
  };
  const names = Object.keys(arms) as (keyof typeof arms)[];
  const step = makeTrainer();
  const rounds: Record<keyof typeof arms, Awaited<ReturnType<typeof round>>>[] = [];
  const end = performance.now() + seconds * 1000;
  for (let n = 0; n < 2 || performance.now() < end; n++) {
    const took = {} as (typeof rounds)[number];
    // Each round begins with another arm.
    for (let k = 0; k < names.length; k++) {
      const name = names[(n + k) % names.length]!;
      took[name] = await round(arms[name].train, step, n);
    }
    rounds.push(took);
  }
  rounds.shift();
  console.log(
    `${rounds.length} rounds of ${stepsPerRound} steps, batch ${batchSize} at 64 × 64 on ${torch.getNumThreads()} threads, ` +
      `${pictures} JPEG files of ${side} × ${side}`,
  );
  for (const name of names) {
    const milliseconds = median(rounds.map((r) => r[name].step)).toFixed(1);
    const waiting = percent(rounds.map((r) => r[name].waited / r[name].step));
    const longer = percent(rounds.map((r) => r[name].step / r.packed.step - 1));
    console.log(
      `${name.padEnd(6)} step ${milliseconds} ms, waiting ${waiting}, longer than packed by ${longer}`,
    );
  }
  for (const { close } of Object.values(arms)) await close();
} finally {
  await rm(folder, { recursive: true });
}
