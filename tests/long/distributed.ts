/**
 * `npm run test:long -- distributed [STEPS] [PROCESSES]`: steps of both stages in several ranks (50 steps in 4 by
 * default) against the same in one with the joint batch, in float64; then a run in two processes of which one is killed,
 * which ends the other with an error that says so.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/files/package.js';
import { compareSteps, type StepCase } from '../training/data-parallel-steps.js';
import { Ranks } from '../torch/ranks.js';
import { vqganConfig } from '../training/tiny.js';
import { rankOf } from './rank-of.js';

const [steps = 50, processes = 4] = process.argv.slice(2).map(Number);
const BOUND = 1e-8;
let failed = false;

function check(ok: boolean, what: string): void {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}\n`);
  failed ||= !ok;
}

const kinds: StepCase[] = [
  { kind: 'onePassStep' },
  { kind: 'onePassStep', quantizer: 'EMAVQ' },
  { kind: 'referenceStep' },
  { kind: 'referenceStep', quantizer: 'EMAVQ', useActnorm: true, lecamLossWeight: 1 },
  { kind: 'transformer' },
];

async function compareAll(): Promise<void> {
  const ranks = new Ranks(processes);
  await ranks.join(120);
  for (const kind of kinds) {
    for (const accumulate of [1, 2]) {
      const given = { ...kind, accumulate };
      const results = await compareSteps(ranks, given, steps);
      const worst = (key: 'weights' | 'logs') => Math.max(...results.map((result) => result[key]));
      const moved = Math.min(...results.map((result) => result.moved));
      check(
        worst('weights') < BOUND && worst('logs') < BOUND && moved > 1e-4,
        `${Object.values(given).join(', ')}: ${steps} steps in ${processes} ranks: weights differ by ` +
          `${worst('weights').toExponential(1)}, logs by ${worst('logs').toExponential(1)}; moved by ${moved.toExponential(1)}`,
      );
    }
  }
  await ranks.end();
}

/** Kills the process of rank 1 once the run logs steps. */
async function killOne(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-killed-'));
  const { data: _, model, training } = vqganConfig({ steps: 1e6 });
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ model, training: { ...training, lpips: 'off' } }),
  );
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const launch = [main, 'launch', '--processes', '2', '--timeout', '60', '--', 'train', 'vqgan'];
  const args = [
    ...launch,
    '-c',
    join(folder, 'config.json'),
    '--data',
    'emoji',
    '--out',
    folder,
    'data.size=16',
  ];
  const child = spawn(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } });
  let text = '';
  let killed = false;
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (more: Buffer) => {
      text += String(more);
      if (killed || !/vqgan {2}\d+\//.test(text)) return;
      killed = true;
      process.kill(rankOf(child.pid!, 1), 'SIGKILL');
    });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const named = /error: distributed\.\w+: .*\(rank 0 of 2, at 127\.0\.0\.1:\d+, timeout 60 s\)/.test(text);
  const launcher = /error: process 1 of 2 ended by SIGKILL/.test(text);
  check(
    code === 1 && named && launcher,
    `a killed process ends the other with a named error: exit code ${String(code)}`,
  );
  if (!named || !launcher) process.stdout.write(text);
  rmSync(folder, { recursive: true });
}

await compareAll();
await killOne();
process.exitCode = failed ? 1 : 0;
