/**
 * `npm run test:long -- encode [images] [kills]`: `tessera-torch encode` of 2,000 images, killed by SIGKILL at ten random
 * moments and started again each time, writes the same bytes as a run that nobody disturbed, and leaves no other
 * file. Memory is flat, from 2,000 images on: while six times as many images are encoded, with garbage collected twice a
 * second, the peak of the second half is at most 1.05 of that of the first. All have random sizes, and oneDNN keeps compiled
 * operators for a number of sizes, which the first half has to reach. Seeded; Linux for the memory.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { VqganTrainer } from 'tessera-torch';
import { SeededRandom } from '../../src/data/seeded-random.js';

const [count = 2000, kills = 10] = process.argv.slice(2).map(Number);
const SIZE = 32;

const ddconfig = { ch: 32, ch_mult: [1, 1], num_res_blocks: 1, attn_resolutions: [], resolution: SIZE };
const channels = { in_channels: 3, out_ch: 3, z_channels: 16, double_z: false };
const lossconfig = {
  target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
  params: { disc_start: 1, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0 },
};
const params = { n_embed: 64, lossconfig, embed_dim: 16, ddconfig: { ...ddconfig, ...channels } };
const config = {
  model: { target: 'taming.models.vqgan.VQModel', params },
  data: { path: 'scenes', size: SIZE, count: 8, heldOut: 2 },
  training: { steps: 1, batchSize: 2, threads: 1, device: 'cpu' },
};

async function makeImages(folder: string, random: SeededRandom): Promise<void> {
  mkdirSync(folder);
  for (let i = 0; i < count; i++) {
    const [width, height] = [SIZE + random.integer(SIZE), SIZE + random.integer(SIZE)];
    const pixels = Buffer.from(Array.from({ length: width * height * 3 }, () => random.integer(256)));
    const image = sharp(pixels, { raw: { width, height, channels: 3 } });
    await image.jpeg({ quality: 60 }).toFile(join(folder, `${String(i).padStart(5, '0')}.jpg`));
  }
}

/** Anonymous resident memory of a process in bytes; 0 where it cannot be read. */
function memoryOf(pid: number): number {
  try {
    const [, kilobytes] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Runs the command, killed after `killAfter` ms if given. Returns how it ended, how long it took, and its memory. */
async function encode(
  run: string,
  images: string,
  out: string,
  { killAfter, node = [] }: { killAfter?: number; node?: readonly string[] } = {},
) {
  const settings = [
    '--out',
    out,
    '--shard',
    '100',
    '--to',
    'safetensors',
    '--batch',
    '16',
    '--device',
    'cpu',
    '--quiet',
  ];
  const start = performance.now();
  const child = spawn(process.execPath, [...node, 'dist/cli/main.js', 'encode', run, images, ...settings], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  const memory: number[] = [];
  const sampling = setInterval(() => memory.push(memoryOf(child.pid!)), 50);
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  const ended = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? String(code)));
  });
  clearInterval(sampling);
  clearTimeout(timer);
  return { ended, milliseconds: performance.now() - start, memory };
}

/** The SHA-256 of each file of a folder. */
function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

/** Encodes each image six times, under other names, and compares the memory of both halves. */
async function proveFlat(run: string, images: string, root: string): Promise<string[]> {
  const many = join(root, 'many');
  mkdirSync(many);
  for (const name of readdirSync(images))
    for (const copy of Array(6).keys()) linkSync(join(images, name), join(many, `${copy}-${name}`));
  const collecting = ['--expose-gc', '--require', './tests/long/collecting.cjs'];
  const { ended, memory } = await encode(run, many, join(root, 'many-tokens'), { node: collecting });
  if (ended !== '0') return [`the run of many images ended with ${ended}`];
  const peak = (from: number, to: number) =>
    Math.max(...memory.slice(Math.floor(memory.length * from), Math.ceil(memory.length * to)));
  const growth = peak(0.5, 1) / peak(0, 0.5);
  const megabytes = (peak(0, 1) / 1e6).toFixed(0);
  console.log(
    `memory of ${6 * count} images: peak ${megabytes} MB, in the second half ${growth.toFixed(3)} of the first's`,
  );
  return growth > 1.05 ? [`the memory grew to ${growth.toFixed(3)} of what it was`] : [];
}

async function prove(root: string): Promise<string[]> {
  const random = new SeededRandom(7);
  const [run, images, whole, killed] = ['run', 'images', 'whole', 'killed'].map((name) =>
    join(root, name),
  ) as [string, string, string, string];
  await makeImages(images, random);
  await (await VqganTrainer.create(config, { run })).close();
  const failures: string[] = [];

  const undisturbed = await encode(run, images, whole);
  if (undisturbed.ended !== '0') return [`the undisturbed run ended with ${undisturbed.ended}`];
  const seconds = undisturbed.milliseconds / 1000;
  console.log(`undisturbed: ${count} images in ${seconds.toFixed(1)} s`);
  if (count >= 2000) failures.push(...(await proveFlat(run, images, root)));

  let deaths = 0;
  for (let i = 0; i < 4 * kills && deaths < kills; i++) {
    // Later starts have less to do: most moments are early enough to hit one.
    const { ended } = await encode(run, images, killed, {
      killAfter: random.next() * undisturbed.milliseconds * 0.5,
    });
    if (ended === 'SIGKILL') deaths++;
    else if (ended !== '0') failures.push(`start ${i + 1} ended with ${ended}`);
    // All is written: begin again.
    else rmSync(killed, { recursive: true });
  }
  const last = await encode(run, images, killed);
  if (last.ended !== '0') failures.push(`the last start ended with ${last.ended}`);
  console.log(`${deaths} of ${kills} kills`);
  if (deaths < kills) failures.push(`only ${deaths} starts were hit`);
  const [expected, found] = [contents(whole), contents(killed)];
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    if (expected[name] !== found[name]) failures.push(`${name} differs`);
  }
  console.log(`${Object.keys(expected).length} files compared`);
  return failures;
}

const root = mkdtempSync(join(tmpdir(), 'tessera-encode-'));
try {
  const failures = await prove(root);
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
} finally {
  rmSync(root, { recursive: true });
}
