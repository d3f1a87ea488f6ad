/** What calling an operator costs the host: the ladder of `npm run bench:ops` on tensors of the device and of the CPU. */
import { compare, python, startArm } from '../bench/arms.js';
import { RUNGS } from '../bench/rungs.js';
import type { Findings } from './results.js';
import { ask, pythonArm, say } from './rounds.js';
import type { Settings } from './rounds.js';

/** On a GPU the rest of the rungs holds the driver's launch, too, which costs both sides the same. */
const launchless = new Set(['empty', 'view']);

export async function measureHost(settings: Settings, findings: Findings): Promise<void> {
  const { rows, notes, raw } = findings;
  const { device, tiny } = settings;
  const versions = pythonArm('gpt_arm.py', { ...settings, tiny: true });
  findings.conditions = {
    ...(await ask<object>(versions, { ask: 'versions' })),
    node: process.version,
    threads: 1,
  };
  versions.stop();
  for (const place of new Set(['cpu', device])) {
    say(`tensors on ${place}`);
    const env = { OMP_NUM_THREADS: '1' };
    const ours = startArm(process.execPath, ['--import=tsx', 'scripts/bench/ops-arm.ts', place], env);
    const theirs = startArm(python, ['scripts/bench/ops_arm.py', place], env);
    const results = await compare(ours, theirs, tiny ? RUNGS.slice(0, 2) : RUNGS, tiny ? 1 : 9);
    ours.stop();
    theirs.stop();
    raw[place] = results;
    for (const { name, ours: own, theirs: other, ratio, lowest, highest } of results) {
      const against = { against: 'Python', theirs: other, ratio, lowest, highest };
      rows.push({ what: `${name}, on ${place}`, value: own, unit: 'ns', ...against });
    }
    const mean = geometricMean(results);
    const launching = results.filter(({ name }) => !launchless.has(name));
    notes.push(
      `${place}: ${geometricMean(results.filter(({ name }) => launchless.has(name))).toFixed(3)}× without a kernel to launch` +
        (launching.length > 0 ? `, ${geometricMean(launching).toFixed(3)}× with` : ''),
    );
    rows.push({
      what: `time of Python's, geometric mean on ${place}`,
      value: mean,
      unit: '×',
      bound: 'at most 0.75×',
      reached: mean <= 0.75,
    });
  }
}

function geometricMean(results: readonly { ratio: number }[]): number {
  return Math.exp(results.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / results.length);
}
