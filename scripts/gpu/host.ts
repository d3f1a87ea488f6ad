/** Time that calling an operator takes on the host: the ladder of `npm run bench -- ops` on CUDA and CPU tensors. */
import { compare, python, startArm } from '../bench/arms.js';
import { RUNGS } from '../bench/rungs.js';
import type { Findings } from './results.js';
import { ask, elapsed, pythonArm, say } from './rounds.js';
import type { Settings } from './rounds.js';

/** Rungs without a launch. On a GPU the others include the driver's launch, which costs both sides the same. */
const launchless = new Set(['empty', 'view']);

export async function measureHost(settings: Settings, findings: Findings): Promise<void> {
  const { device, tiny, seconds } = settings;
  const versions = pythonArm('gpt_arm.py', { ...settings, tiny: true });
  findings.conditions({
    ...(await ask<object>(versions, { ask: 'versions' })),
    node: process.version,
    threads: 1,
  });
  versions.stop();
  const places = [...new Set([device, 'cpu'])];
  for (const [i, place] of places.entries()) {
    say(`tensors on ${place}`);
    const until = elapsed() + (seconds - elapsed()) / (places.length - i) - 2;
    const env = { OMP_NUM_THREADS: '1' };
    const ours = startArm(process.execPath, ['--import=tsx', 'scripts/bench/ops-arm.ts', place], env);
    const theirs = startArm(python, ['scripts/bench/ops_arm.py', place], env);
    const results = await compare(
      ours,
      theirs,
      tiny ? RUNGS.slice(0, 2) : RUNGS,
      tiny ? 1 : 9,
      () => elapsed() > until,
    );
    ours.stop();
    theirs.stop();
    findings.keep(place, results);
    for (const { name, ours: own, theirs: other, ratio, lowest, highest } of results) {
      const against = { against: 'Python', theirs: other, ratio, lowest, highest };
      findings.row({ what: `${name}, on ${place}`, value: own, unit: 'ns', ...against });
    }
    const mean = geometricMean(results);
    const launching = results.filter(({ name }) => !launchless.has(name));
    findings.note(
      `${place}: ${geometricMean(results.filter(({ name }) => launchless.has(name))).toFixed(3)}× without a kernel to launch` +
        (launching.length > 0 ? `, ${geometricMean(launching).toFixed(3)}× with` : ''),
    );
    findings.row({
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
