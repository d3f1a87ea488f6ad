/** Checks that the device computes: an operator of each family, the reference's models, a training step, a graph. */
import type { Arm } from '../bench/arms.js';
import type { Findings } from './results.js';
import { ask, elapsed, ourArm, say, within } from './rounds.js';
import type { Settings } from './rounds.js';
import type { Checked } from './smoke-arm.js';

export async function runSmoke(settings: Settings, findings: Findings): Promise<void> {
  let arm = ourArm('smoke-arm.ts', settings);
  const failed: string[] = [];
  let passed = 0;
  try {
    const { names, ...conditions } = await ask<{ names: string[] } & Record<string, unknown>>(arm, {
      ask: 'list',
    });
    findings.conditions(conditions);
    for (const [i, name] of names.entries()) {
      const left = settings.seconds - elapsed();
      const checked = left < 1 ? { error: 'no time was left', lost: false } : await check(arm, name, left);
      if ('error' in checked) failed.push(`${name}: ${checked.error}`);
      else passed++;
      say(
        `${name}: ${'error' in checked ? checked.error : `${checked.seconds.toFixed(2)} s ${checked.said}`}`,
      );
      // What runs out of time or of process leaves the rest to another one.
      if ('error' in checked && checked.lost) {
        arm.kill();
        arm = ourArm('smoke-arm.ts', settings);
      }
      if (i === 0)
        findings.row({ what: 'the first operators', value: passed, unit: 'of 1', reached: passed === 1 });
    }
    const value = { value: passed, unit: `of ${passed + failed.length}` };
    findings.row({ what: 'checks that passed', ...value, bound: 'all', reached: failed.length === 0 });
    findings.note(...failed);
  } finally {
    arm.stop();
  }
}

type Outcome = Checked | { error: string; lost: boolean };

async function check(arm: Arm, name: string, seconds: number): Promise<Outcome> {
  try {
    const { error, ...checked } = await within(
      Math.min(20, seconds),
      arm.ask(JSON.stringify({ ask: name })) as Promise<Checked & { error?: string }>,
    );
    return error === undefined ? checked : { error, lost: false };
  } catch (error) {
    return { error: (error as Error).message, lost: true };
  }
}
