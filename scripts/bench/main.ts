/**
 * `npm run bench`: benchmarks, each a ratio to something else measured in the same run.
 *
 *     npm run bench -- --list                         what there is
 *     npm run bench -- ops --against ../before        one of them, with arguments of its own
 *
 * Exit codes: the benchmark's own; 2 usage. `scripts/gpu-check` measures on a GPU.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const benchmarks = {
  ops: 'the cost of a call, compared with PyTorch in Python on the same libtorch, or with another checkout',
  before: 'training steps, decoding and sampling: time and memory, compared with another checkout',
  'one-pass': "the one-pass training step against the reference's two passes",
  train: 'training steps of both stages, compared with plain PyTorch in Python, and where their time goes',
  memory: 'memory of training and decoding, compared with PyTorch in Python',
  data: 'a million packed images: start of an epoch, resident memory, images per second',
  quality: "PSNR and codebook use at equal steps, compared with the reference's loop in Python",
  decode: 'the cost of decoding images in a training step',
  sample: "drawing the tokens of an image, compared with the reference's loops in Python",
  encode: 'images per second through a tokenizer, compared with PyTorch in Python',
  tiles: 'memory and seams of decoding 2048 × 2048 pixels in tiles',
  window: "sampling through a sliding window, compared with the reference's loop over whole windows",
};

const [name = '--list', ...more] = process.argv.slice(2);
if (name === '--list') {
  for (const [key, what] of Object.entries(benchmarks)) console.log(`${key.padEnd(10)}${what}`);
} else if (!Object.hasOwn(benchmarks, name)) {
  console.error(`bench: there is no '${name}'; npm run bench -- --list names the benchmarks`);
  process.exitCode = 2;
} else {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, ['--import=tsx', file, ...more], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
