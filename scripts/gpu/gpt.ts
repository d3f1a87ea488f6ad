/** Training the GPT of 1.41 billion weights in bfloat16: share of the measured rate of matrix products. */
import { median } from '../bench/arms.js';
import type { Findings } from './results.js';
import {
  alternate,
  ask,
  elapsed,
  middle,
  mustAgree,
  ourArm,
  pythonArm,
  say,
  speedup,
  told,
} from './rounds.js';
import type { Profile, Settings } from './rounds.js';

/** Floating-point operations for a token, forward and backward: matrix products, and attention to half the block. */
function workPerToken(layers: number, width: number, vocabulary: number, block: number): number {
  const weights = 12 * layers * width ** 2 + vocabulary * width;
  return 6 * weights + 6 * layers * block * width;
}

export async function measureGpt(settings: Settings, findings: Findings): Promise<void> {
  const { rows, notes, raw } = findings;
  const { tiny, seconds } = settings;
  const arms = { ours: ourArm('gpt-arm.ts', settings), theirs: pythonArm('gpt_arm.py', settings) };
  try {
    say('arms start');
    findings.conditions = {
      ...(await ask<object>(arms.theirs, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'GPT, 48 layers, 1536 wide, 24 heads, 16384 tokens, block 256',
    };
    const block = tiny ? 32 : 256;
    const flops = tiny ? workPerToken(2, 64, 64, 32) : workPerToken(48, 1536, 16384, 256);

    say('losses are compared');
    for (const [precision, tolerance] of [
      ['float32', 1e-4],
      ['pure', 0.01],
    ] as const) {
      const request = { ask: 'losses', precision, fused: precision === 'pure', batch: 4, steps: 4 };
      const [a, b] = [await ask<number[]>(arms.ours, request), await ask<number[]>(arms.theirs, request)];
      const worst = mustAgree(`${precision} losses of four steps of a small GPT`, a, b, tolerance);
      notes.push(`${precision} losses of four steps of a small GPT agree to ${worst.toExponential(1)}`);
    }

    say('rate of matrix products');
    const size = tiny ? 256 : 8192;
    const rates: number[] = [];
    for (let i = 0; i < 3; i++) {
      for (const arm of [arms.ours, arms.theirs]) rates.push(await ask<number>(arm, { ask: 'matmul', size }));
    }
    const peak = median(rates);
    raw['matmul'] = rates;

    rows.push({ what: `bfloat16 matrix product ${size}³`, value: peak / 1e12, unit: 'TFLOP/s' });
    const batches = tiny ? [2, 4] : [16, 32, 64];
    let best: { what: string; value: number } | null = null;
    for (const [i, batch] of batches.entries()) {
      say(`batch ${batch}`);
      const time = (fused: boolean) => ({
        ask: 'time',
        precision: 'pure',
        fused,
        batch,
        steps: tiny ? 1 : 4,
        warmups: 2,
      });
      const cases = {
        apart: { arm: arms.ours, request: time(false) },
        theirsApart: { arm: arms.theirs, request: time(false) },
        fused: { arm: arms.ours, request: time(true) },
        theirsFused: { arm: arms.theirs, request: time(true) },
      };
      // A change of settings builds the model anew, 1.4 billion weights each time: one setting after the other.
      const until = (part: number) => elapsed() + (part * (seconds - elapsed() - 10)) / (batches.length - i);
      const last = i === batches.length - 1;
      const apart = await alternate(
        { apart: cases.apart, theirsApart: cases.theirsApart },
        5,
        until(last ? 0.4 : 0.9),
      );
      raw[`batch ${batch}`] = apart;
      const share = (time: number) => (100 * flops * batch * block) / time / peak;
      const own = share(middle(apart, 'apart'));
      rows.push({
        what: `training, batch ${batch}`,
        value: own,
        unit: '% of that rate',
        against: 'PyTorch eager',
        theirs: share(middle(apart, 'theirsApart')),
        ...speedup(apart, 'apart', 'theirsApart'),
      });
      const host = apart.at(-1)!.apart;
      notes.push(
        `batch ${batch}: ${((batch * block) / middle(apart, 'apart') / 1000).toFixed(1)} thousand tokens/s, ` +
          `host busy ${((100 * host.host) / host.seconds).toFixed(0)}% of our step, peak memory ${((host.peak ?? 0) / 2 ** 30).toFixed(1)} GiB`,
      );
      if (!best || own > best.value) best = { what: `training, best: batch ${batch}`, value: own };
      if (!last) continue;
      say(`batch ${batch}, query, key and value in one product`);
      const fused = await alternate({ fused: cases.fused, theirsFused: cases.theirsFused }, 4, until(0.8));
      raw[`batch ${batch}, fused`] = fused;
      const together = share(middle(fused, 'fused'));
      rows.push({
        what: `training, batch ${batch}, fused query/key/value`,
        value: together,
        unit: '% of that rate',
        against: 'PyTorch eager, the same',
        theirs: share(middle(fused, 'theirsFused')),
        ...speedup(fused, 'fused', 'theirsFused'),
      });
      if (together > best.value) best = { what: `training, best: batch ${batch}, fused`, value: together };
    }
    rows.push(
      { ...best!, unit: '% of that rate', bound: 'at least 45%', reached: best!.value >= 45 },
      { ...best!, unit: '% of that rate', bound: 'aim 60%', reached: best!.value >= 60 },
    );
    const request = { ask: 'profile', precision: 'pure', fused: true, batch: batches.at(-1)! };
    for (const [name, title] of [
      ['ours', 'our step'],
      ['theirs', "PyTorch's step"],
    ] as const) {
      if (seconds - elapsed() < 20) break;
      const profile = await ask<Profile>(arms[name], request);
      raw[`profile, ${name}`] = profile;
      notes.push(told(title, profile));
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}
