/**
 * Time of the one-pass training step against the reference's two-pass step: one modest VQGAN, LPIPS with random
 * weights, discriminator on, float32, a thread each. One process a step, rounds alternating.
 *
 *     npm run build:ts && npx tsx scripts/bench/one-pass.ts [rounds]
 */
import { torch } from 'tessera-torch';
import { compare, report, startArm } from './arms.js';
import { modestBatch } from './one-pass-model.js';

const rounds = Number(process.argv[2] ?? 15);
const arm = (name: string) =>
  startArm(process.execPath, ['--import=tsx', 'scripts/bench/one-pass-arm.ts', name], {
    OMP_NUM_THREADS: '1',
  });
const onePass = arm('one-pass');
const reference = arm('reference');
const results = await compare(onePass, reference, [`step, images ${modestBatch.join('×')}`], rounds);
console.log('ours: one-pass step; theirs: reference step');
report('one-pass', 'ms', { node: process.version, libtorch: torch.version }, results);
onePass.stop();
reference.stop();
