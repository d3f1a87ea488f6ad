/**
 * `npm run bench:ops`: what calling an operator costs from TypeScript, in a scope, against Python's PyTorch. Both arms
 * run one thread, the same libtorch version, four-element float32 tensors. TESSERA_PYTHON names the Python.
 */
import { torch } from 'tessera-torch';
import { compare, python, report, startArm } from './arms.js';

const ROUNDS = 15;
const ours = startArm(process.execPath, ['--import=tsx', 'scripts/bench/ops-arm.ts'], {
  OMP_NUM_THREADS: '1',
});
const theirs = startArm(python, ['scripts/bench/ops_arm.py'], { OMP_NUM_THREADS: '1' });
const pytorch = String(await theirs.measure('version'));
const results = await compare(ours, theirs, ['add', 'add with gradient'], ROUNDS);
report(
  'ops',
  'ns',
  { node: process.version, libtorch: torch.version, 'PyTorch from Python': pytorch },
  results,
);
ours.stop();
theirs.stop();
