/**
 * `npm run bench -- memory [rounds]`: peak resident memory of the f16 VQGAN (ch 128, 1-1-2-2-4, z 256, 1024 codes)
 * against Python's PyTorch: decoding at 512×512 without gradients, and two training steps at 128×128, batch 1,
 * float32, LPIPS with random weights, fused Adam, once as the reference's step and once as the one-pass step. Both
 * arms follow the same schedule (`scripts/pytorch/vqgan_torch.py` holds Python's) from the same seed and must come to
 * the same numbers. OMP_NUM_THREADS=2; every measurement is a process of its own, arms alternating; nothing but the
 * threads is set for either. Linux only. TESSERA_PYTHON names the Python.
 *
 * The time of the last decoding or step is printed next to it: one sample a process, so take it as a hint.
 * Exits with 1 where our peak is above 1.1 times theirs.
 */
import { execFileSync } from 'node:child_process';
import { torch } from 'tessera-torch';
import type { Comparison } from './arms.js';
import { median, python, report } from './arms.js';

const LIMIT = 1.1;

/** Resident memory in MB: at start, with the model built, and the peaks of the first step and of all. Time in ms. */
interface Levels {
  start: number;
  built: number;
  first: number;
  peak: number;
  time: number;
  threads: number;
  /** The image's norm, or that of the last layer's gradient. */
  check: number;
}

const rounds = Number(process.argv[2] ?? 3);
const env = { ...process.env, OMP_NUM_THREADS: '2' };

function run(command: string, args: string[]): string {
  return execFileSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function comparison(
  name: string,
  ours: readonly Levels[],
  theirs: readonly Levels[],
  of: (levels: Levels) => number,
): Comparison {
  const ratios = ours.map((levels, round) => of(levels) / of(theirs[round]!));
  return {
    name,
    ours: median(ours.map(of)),
    theirs: median(theirs.map(of)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

function assertSameWork(name: string, ours: Levels, theirs: Levels): void {
  const close = Math.abs(ours.check / theirs.check - 1) < 0.02;
  if (close && ours.threads === theirs.threads) return;
  throw new Error(
    `${name}: the arms do not do the same: ours gives ${ours.check} on ${ours.threads} threads, theirs ${theirs.check} on ${theirs.threads}`,
  );
}

const memory: Comparison[] = [];
const levels: Comparison[] = [];
const times: Comparison[] = [];
for (const name of ['decode', 'reference step', 'one-pass step']) {
  const repetitions = name === 'decode' ? '1' : '2';
  const ours: Levels[] = [];
  const theirs: Levels[] = [];
  const measureOurs = () => {
    const args = ['--import=tsx', 'scripts/bench/memory-arm.ts', name, repetitions];
    ours.push(JSON.parse(run(process.execPath, args)) as Levels);
  };
  const measureTheirs = () => {
    theirs.push(JSON.parse(run(python, ['scripts/bench/memory_arm.py', name, repetitions])) as Levels);
  };
  for (let round = 0; round < rounds; round++) {
    const order = [measureOurs, measureTheirs];
    for (const measure of round % 2 === 0 ? order : order.reverse()) measure();
    assertSameWork(name, ours[round]!, theirs[round]!);
  }
  const compared = (what: string, of: (levels: Levels) => number) =>
    comparison(`${name}${what}`, ours, theirs, of);
  memory.push(compared('', ({ peak }) => peak));
  if (repetitions !== '1') levels.push(compared(', first', ({ first }) => first));
  levels.push(compared(', above model', ({ peak, built }) => peak - built));
  levels.push(compared(', model built', ({ built }) => built));
  levels.push(compared(', at start', ({ start }) => start));
  times.push(compared(', noisy', ({ time }) => time));
}

const pytorch = run(python, ['-c', 'import torch; print(torch.__version__)']).trim();
const versions = { node: process.version, libtorch: torch.version, 'PyTorch from Python': pytorch };
console.log(`peak resident memory of the whole process; ${rounds} rounds, 2 threads each`);
report('memory', 'MB', versions, memory);
console.log(
  '\nof which, and levels on the way (the peak by the end of the first step; the peak above the model)',
);
report('memory-levels', 'MB', versions, levels);
console.log('\ntime of the last decoding or step');
report('memory-time', 'ms', versions, times);

const above = memory.filter(({ ratio }) => ratio > LIMIT);
for (const { name, ratio } of above)
  console.error(`${name}: ${ratio.toFixed(3)}, at most ${LIMIT} is wanted`);
process.exitCode = above.length > 0 ? 1 : 0;
