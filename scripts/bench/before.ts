/**
 * `npm run bench -- before ../before`: training steps, decoding and sampling, compared with another built checkout: time
 * in processes that alternate, and the peak of resident memory. For changes that must not cost anything.
 *
 *     npm run bench -- before ../before --rounds 31      more rounds than the 15
 *     npm run bench -- before ../before --memory         memory, too: a new process for every measurement
 *
 * Exit code 1 if the geometric mean, or a case, is above the promised bound.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { compare, report, startArm, summarize, type Comparison } from './arms.js';

const cases = [
  'one-pass step',
  'reference step',
  'decode 256 × 256',
  'sample 2 × 64, batch 1',
  'sample 6 × 256, batch 8',
];
const memoryCases = ['decode', 'reference step', 'one-pass step'];

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, memory: { type: 'boolean' } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const [before] = positionals;
if (before === undefined || !(rounds > 0)) {
  console.error('usage: npm run bench -- before CHECKOUT [--rounds N] [--memory]');
  process.exit(2);
}
const folders = ['.', resolve(before)] as const;
const armFile = fileURLToPath(new URL('before-arm.ts', import.meta.url));
const [ours, theirs] = folders.map((folder) =>
  startArm(process.execPath, ['--import=tsx', armFile], {}, folder),
);
const versions = { node: process.version, libtorch: torch.version, against: before };
const times = await compare(ours!, theirs!, cases, rounds);
ours!.stop();
theirs!.stop();
report('before', 'ms', versions, times);
judge(times);
if (values.memory) {
  const peaks = summarize(memoryCases, memoryCases.map(peaksOf));
  report('before-memory', 'MB', versions, peaks);
  judge(peaks);
}

/** Alternates processes that run a case of the memory benchmark once; returns the peaks of both checkouts. */
function peaksOf(name: string): [number, number][] {
  const peakIn = (cwd: string) => {
    const args = ['--import=tsx', 'scripts/bench/memory-arm.ts', name, '2'];
    const printed = execFileSync(process.execPath, args, { cwd, encoding: 'utf8' });
    return (JSON.parse(printed) as { peak: number }).peak;
  };
  return Array.from({ length: rounds }, (_, round) => {
    const theirsFirst = round % 2 === 1 ? peakIn(folders[1]) : null;
    const own = peakIn(folders[0]);
    return [own, theirsFirst ?? peakIn(folders[1])];
  });
}

function judge(results: readonly Comparison[]): void {
  const mean = Math.exp(results.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / results.length);
  console.log(
    `geometric mean of the ratios ${mean.toFixed(3)} (at most 1.02 is promised, and no case above 1.05)`,
  );
  if (mean > 1.02 || results.some(({ ratio }) => ratio > 1.05)) process.exitCode = 1;
}
