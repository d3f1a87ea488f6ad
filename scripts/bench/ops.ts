/**
 * `npm run bench -- ops`: the cost of calling an operator from TypeScript, in a scope, against Python's PyTorch. Both arms
 * run one thread and the same libtorch version on tensors of four elements. TESSERA_PYTHON names the Python.
 *
 *     npm run bench -- ops --against ../before      against another built checkout
 *     npm run bench -- ops --rounds 31              more rounds than the 15
 *
 * Exit code 1 if the geometric mean, or a rung, is above the promised bound.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { compareProcesses, python, report, startArm } from './arms.js';
import { RUNGS } from './rungs.js';

const { values } = parseArgs({
  options: { against: { type: 'string' }, rounds: { type: 'string', default: '15' } },
});
const { against } = values;
const env = { OMP_NUM_THREADS: '1' };
const arm = (folder: string) =>
  startArm(process.execPath, ['--import=tsx', 'scripts/bench/ops-arm.ts'], env, folder);

const versions: Record<string, string> = { node: process.version, libtorch: torch.version };
if (against === undefined) {
  const other = startArm(python, ['scripts/bench/ops_arm.py'], env);
  versions['PyTorch from Python'] = String(await other.measure('version'));
  other.stop();
} else {
  versions['against'] = against;
}

const results = await compareProcesses(
  () => [
    arm('.'),
    against === undefined ? startArm(python, ['scripts/bench/ops_arm.py'], env) : arm(resolve(against)),
  ],
  RUNGS,
  Number(values.rounds),
);
report('ops', 'ns', versions, results);
const mean = Math.exp(results.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / results.length);
// Of Python's cost less is promised; of another checkout's, that nothing is lost.
const [most, mostOfRung] = against === undefined ? [0.75, 1] : [1.02, 1.05];
console.log(
  `geometric mean of the ratios ${mean.toFixed(3)} (at most ${most} is promised, and no rung above ${mostOfRung})`,
);
if (mean > most || results.some(({ ratio }) => ratio > mostOfRung)) process.exitCode = 1;
