/**
 * `npm run bench -- sample [--rounds 5] [--only TEXT] [--tokens 256]`: drawing 256 tokens of an image with a GPT, against
 * plain PyTorch in Python (`scripts/pytorch/gpt_torch.py`) at the same precision: with the cache against the reference's
 * own cached loop, and against its loop without a cache, which computes everything again for each token; and the sliding
 * window over a grid of 20 × 32 codes against the reference's loop over whole windows. Random weights of one seed,
 * vocabulary of 1024, top-k 100, two threads; the arms must give the same logits. Rounds alternate. TESSERA_PYTHON names
 * the Python.
 *
 * For one sequence, a token reads each weight once, so that the memory sets a floor: it is measured and printed.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { compare, python, report, startArm, type Comparison } from './arms.js';
import { sampleCases, type SampleCase } from './sample-cases.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    tokens: { type: 'string', default: '256' },
  },
});
const env = { OMP_NUM_THREADS: '2' };
const arms = (given: SampleCase) => {
  const setting = JSON.stringify({ ...given, tokens: Number(values.tokens) });
  return [
    startArm(process.execPath, ['--import=tsx', 'scripts/bench/sample-arm.ts', setting], env),
    startArm(python, ['scripts/bench/sample_arm.py', setting], env),
  ] as const;
};

/** Bytes a second of reading memory, by sums over more than any cache holds. */
function bandwidth(): number {
  torch.setNumThreads(2);
  const large = torch.ones([2 ** 28]); // 1 GiB
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    torch.scope(() => large.sum().item());
    return performance.now() - start;
  });
  large.dispose();
  return 2 ** 30 / (Math.min(...times) / 1000);
}

const results: Comparison[] = [];
const missed: string[] = [];
for (const given of sampleCases.filter(({ name }) => name.includes(values.only))) {
  const [ours, theirs] = arms(given);
  const [a, b] = [await ours.ask('check'), await theirs.ask('check')] as [number, number];
  if (!(Math.abs(a / b - 1) < 1e-3))
    throw new Error(`${given.name}: the arms do not do the same: ${a}, ${b}`);
  const [result] = await compare(ours, theirs, [given.name], given.slow ? 1 : Number(values.rounds));
  ours.stop();
  theirs.stop();
  results.push(result!);
  const faster = 1 / result!.ratio;
  console.log(`${given.name}: ${faster.toFixed(2)} times as fast; at least ${given.aim} is wanted`);
  if (faster < given.aim) missed.push(given.name);
  if (given.batch === 1 && !given.window && !given.slow) {
    const bytes = 4 * 12 * given.layers * given.width ** 2;
    const floor = (bytes / bandwidth()) * 1000;
    const token = result!.ours / Number(values.tokens);
    console.log(
      `  ${token.toFixed(1)} ms a token; reading ${(bytes / 1e9).toFixed(2)} GB of weights takes ${floor.toFixed(1)} ms`,
    );
  }
}
const version = execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], { encoding: 'utf8' });
const versions = { node: process.version, libtorch: torch.version, 'PyTorch from Python': version.trim() };
report('sample', 'ms', versions, results);
for (const name of missed) console.error(`${name}: slower than wanted`);
process.exitCode = missed.length > 0 ? 1 : 0;
