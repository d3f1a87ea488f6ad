/**
 * `npm run bench:ops`: what calling an operator costs from TypeScript, in a scope, against Python's PyTorch. Both arms
 * run one thread and the same libtorch version on tensors of four elements. TESSERA_PYTHON names the Python.
 */
import { torch } from 'tessera-torch';
import { compare, python, report, startArm } from './arms.js';
import { RUNGS } from './rungs.js';

const ROUNDS = 15;
const ours = startArm(process.execPath, ['--import=tsx', 'scripts/bench/ops-arm.ts'], {
  OMP_NUM_THREADS: '1',
});
const theirs = startArm(python, ['scripts/bench/ops_arm.py'], { OMP_NUM_THREADS: '1' });
const pytorch = String(await theirs.measure('version'));

const results = await compare(ours, theirs, RUNGS, ROUNDS);
report(
  'ops',
  'ns',
  { node: process.version, libtorch: torch.version, 'PyTorch from Python': pytorch },
  results,
);
const mean = Math.exp(results.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / results.length);
console.log(
  `geometric mean of the ratios ${mean.toFixed(3)} (at most 0.75 is promised, and no rung above 1)`,
);
if (mean > 0.75 || results.some(({ ratio }) => ratio > 1)) process.exitCode = 1;
ours.stop();
theirs.stop();
