/**
 * `npm run bench -- encode [rounds] [images]`: images per second through a tokenizer, from JPEG files to ids, against the
 * same work in Python's PyTorch with Pillow: a plain loop, and a DataLoader with a worker of its own. The f16 VQGAN at a
 * quarter of its width, random weights of the same seed in both, 400 × 300 pixels cut to 128 × 128, batch 16, two
 * threads. Rounds alternate. TESSERA_PYTHON names the Python.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { torch } from 'tessera-torch';
import { compare, python, report, startArm } from './arms.js';

const [rounds = 7, count = 64] = process.argv.slice(2).map(Number);

/** Smooth coloured noise, which is as hard to decode as a photograph of its size. */
async function makeImages(folder: string): Promise<void> {
  torch.manualSeed(0);
  for (let i = 0; i < count; i++) {
    const noise = torch.scope(
      () =>
        torch
          .rand([9 * 12 * 3])
          .mul(255)
          .to('uint8')
          .toTypedArray() as Uint8Array,
    );
    await sharp(noise, { raw: { width: 12, height: 9, channels: 3 } })
      .resize(400, 300, { kernel: 'cubic' })
      .jpeg({ quality: 90 })
      .toFile(join(folder, `${i}.jpg`));
  }
}

const root = mkdtempSync(join(tmpdir(), 'tessera-bench-encode-'));
try {
  const images = join(root, 'images');
  mkdirSync(images);
  await makeImages(images);
  const env = { OMP_NUM_THREADS: '2' };
  const ours = startArm(process.execPath, ['--import=tsx', 'scripts/bench/encode-arm.ts', root], env);
  const theirs = startArm(python, ['scripts/bench/encode_arm.py', root], env);
  const names = ['plain loop', 'DataLoader'];
  const [a, b] = [await ours.ask('ids'), await theirs.ask('ids')] as [number[], number[]];
  const equal = a.filter((id, i) => id === b[i]).length / a.length;
  console.log(
    `${(100 * equal).toFixed(1)}% of ${a.length} ids are equal; images are resampled by sharp and by Pillow`,
  );
  if (a.length !== b.length || equal < 0.5) throw new Error('the arms do not do the same');
  const results = await compare(ours, theirs, names, rounds);
  ours.stop();
  theirs.stop();
  const version = execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], {
    encoding: 'utf8',
  }).trim();
  const versions = { node: process.version, libtorch: torch.version, 'PyTorch from Python': version };
  report('encode', `ms per ${count}`, versions, results);
} finally {
  rmSync(root, { recursive: true });
}
