/**
 * Peak resident memory of the f16 VQGAN against Python's PyTorch: decoding at 512×512 without gradients, and two
 * training steps at 128×128, batch 1, float32, LPIPS with random weights in both arms. One process a run and a
 * thread each, arms alternating; Linux only. TESSERA_PYTHON names the Python.
 *
 *     npm run build:ts && npx tsx scripts/bench/vqgan-memory.ts [rounds]
 */
import { execFileSync } from 'node:child_process';
import { torch } from 'tessera-torch';
import type { Comparison } from './arms.js';
import { median, python, report } from './arms.js';

const rounds = Number(process.argv[2] ?? 3);
const env = { ...process.env, OMP_NUM_THREADS: '1' };
const run = (command: string, args: string[]) =>
  Number(execFileSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim());

const results: Comparison[] = [];
for (const name of ['decode 512x512', 'reference step 128x128', 'one-pass step 128x128']) {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(run(process.execPath, ['--import=tsx', 'scripts/bench/vqgan-memory-arm.ts', name]));
    theirs.push(run(python, ['scripts/bench/vqgan_memory_arm.py', name]));
  }
  const ratios = ours.map((megabytes, i) => megabytes / theirs[i]!);
  results.push({
    name,
    ours: median(ours),
    theirs: median(theirs),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  });
}
const pytorch = execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], {
  encoding: 'utf8',
}).trim();
report(
  'vqgan-memory',
  'MB',
  { node: process.version, libtorch: torch.version, 'PyTorch from Python': pytorch },
  results,
);
