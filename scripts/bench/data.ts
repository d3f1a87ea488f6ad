/**
 * `npm run bench -- data [images] [seconds]`: training data that is larger than memory. Packs that many images of
 * 32 × 32 (default a million: 3.2 GB in the system's temporary folder, removed at the end), then streams batches of 256
 * from them for some seconds (default 60) in a process of its own, and prints the time to open them, to start an epoch
 * and to begin the next one, resident memory while it streams, and images per second.
 *
 * Exits with 1 where an epoch takes longer than 2 s to start, or memory grows by more than 64 MB while streaming.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packStore, type PictureStore } from 'tessera-torch';
import type { Streamed } from './data-arm.js';

const count = Number(process.argv[2] ?? 1e6);
const seconds = Number(process.argv[3] ?? 60);
const side = 32;
const limits = { epochStart: 2, growth: 64 };

/** Makes images as they are asked for, each of other bytes: a ramp that begins and rises by its number. */
function ramps(length: number): PictureStore {
  const pixelsOf = (index: number) => {
    const pixels = Buffer.allocUnsafe(side * side * 3);
    const step = 1 + (index % 251);
    for (let k = 0, value = index; k < pixels.length; k++, value += step) pixels[k] = value;
    pixels.writeUInt32LE(index, 0);
    return pixels;
  };
  return {
    length,
    classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
    name: (index) => `class ${index % 10}/picture-${index}`,
    label: (index) => index % 10,
    hash: (index) => createHash('sha256').update(`${index}`).digest('hex'),
    load: (index) => ({ width: side, height: side, pixels: pixelsOf(index) }),
    close: async () => {},
  };
}

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
const folder = await mkdtemp(join(tmpdir(), 'tessera-stream-'));
try {
  const packed = join(folder, 'packed');
  const begun = performance.now();
  const { bytes } = await packStore(ramps(count), side, packed);
  const took = (performance.now() - begun) / 1000;
  console.log(
    `packed ${count} images, ${megabytes(bytes)}, in ${took.toFixed(1)} s (${(count / took).toFixed(0)}/s)`,
  );

  const arm = fileURLToPath(new URL('data-arm.ts', import.meta.url));
  const text = execFileSync(process.execPath, ['--import=tsx', arm, packed, String(seconds)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { memory, ...found } = JSON.parse(text) as Streamed;
  const growth = Math.max(...memory.streaming) - memory.warm;
  console.log(`opened, split and fingerprinted in ${found.open.toFixed(2)} s`);
  console.log(`start of an epoch, to its first batch: ${found.epochStart.toFixed(3)} s`);
  console.log(`slowest batch across the end of an epoch: ${found.nextEpoch.toFixed(3)} s`);
  console.log(
    `${found.images} images in ${found.seconds.toFixed(1)} s: ${(found.images / found.seconds).toFixed(0)}/s`,
  );
  console.log(
    `resident: ${megabytes(memory.start)} at start, ${megabytes(memory.opened)} opened, ` +
      `${megabytes(memory.warm)} after 50 batches, then ${memory.streaming.map(megabytes).join(', ')}`,
  );
  if (found.epochStart > limits.epochStart || found.nextEpoch > limits.epochStart) process.exitCode = 1;
  if (growth > limits.growth * 2 ** 20) process.exitCode = 1;
  if (process.exitCode === 1) console.log(`more than ${limits.epochStart} s or ${limits.growth} MB`);
} finally {
  await rm(folder, { recursive: true });
}
