/** Training the GPT of 1.41 billion weights in bfloat16: share of the measured rate of matrix products. */
import { median } from '../bench/arms.js';
import type { Findings } from './results.js';
import {
  agreement,
  alternate,
  ask,
  elapsed,
  middle,
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
  const { tiny, seconds } = settings;
  const arms = { ours: ourArm('gpt-arm.ts', settings), theirs: pythonArm('gpt_arm.py', settings) };
  try {
    say('arms start');
    findings.conditions({
      ...(await ask<object>(arms.theirs, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'GPT, 48 layers, 1536 wide, 24 heads, 16384 tokens, block 256',
    });
    const block = tiny ? 32 : 256;
    const flops = tiny ? workPerToken(2, 64, 64, 32) : workPerToken(48, 1536, 16384, 256);

    say('losses are compared');
    for (const [precision, tolerance] of [
      ['float32', 1e-4],
      ['pure', 0.01],
    ] as const) {
      const request = { ask: 'losses', precision, fused: precision === 'pure', batch: 4, steps: 4 };
      const [a, b] = [await ask<number[]>(arms.ours, request), await ask<number[]>(arms.theirs, request)];
      findings.row(agreement(`${precision} losses of four steps of a small GPT`, a, b, tolerance));
    }

    say('rate of matrix products');
    const size = tiny ? 256 : 8192;
    const rates: number[] = [];
    for (let i = 0; i < 3; i++) {
      for (const arm of [arms.ours, arms.theirs]) rates.push(await ask<number>(arm, { ask: 'matmul', size }));
    }
    const peak = median(rates);
    findings.keep('matmul', rates);
    findings.row({ what: `bfloat16 matrix product ${size}³`, value: peak / 1e12, unit: 'TFLOP/s' });

    // The largest first: it is the one with bounds.
    const batches = tiny ? [4, 2] : [64, 16];
    const shares: number[] = [];
    const parts = batches.flatMap((batch) => [
      { batch, fused: true },
      { batch, fused: false },
    ]);
    for (const [i, { batch, fused }] of parts.entries()) {
      const left = seconds - elapsed();
      if (i > 0 && left < 10) {
        findings.leaveOut(`batch ${batch}, ${fused ? 'fused' : 'apart'},`);
        continue;
      }
      say(`batch ${batch}, query, key and value ${fused ? 'in one product' : 'apart'}`);
      const request = { ask: 'time', precision: 'pure', fused, batch, steps: tiny ? 1 : 4, warmups: 2 };
      const cases = { ours: { arm: arms.ours, request }, theirs: { arm: arms.theirs, request } };
      const rounds = await alternate(cases, 5, elapsed() + left * (i === 0 ? 0.4 : 0.5));
      const name = `batch ${batch}${fused ? ', fused query/key/value' : ''}`;
      findings.keep(name, rounds);
      const share = (time: number) => (100 * flops * batch * block) / time / peak;
      const own = share(middle(rounds, 'ours'));
      shares.push(own);
      findings.row({
        what: `training, ${name}`,
        value: own,
        unit: '% of that rate',
        against: 'PyTorch eager, the same',
        theirs: share(middle(rounds, 'theirs')),
        ...speedup(rounds, 'ours', 'theirs'),
      });
      const { host, seconds: whole, peak: bytes = 0 } = rounds.at(-1)!.ours;
      findings.note(
        `${name}: ${((batch * block) / middle(rounds, 'ours') / 1000).toFixed(1)} thousand tokens/s, ` +
          `host busy ${((100 * host) / whole).toFixed(0)}% of our step, peak memory ${(bytes / 2 ** 30).toFixed(1)} GiB`,
      );
    }
    const best = { what: 'training, best', value: Math.max(...shares), unit: '% of that rate' };
    findings.row(
      { ...best, bound: 'at least 45%', reached: best.value >= 45 },
      { ...best, bound: 'aim 60%', reached: best.value >= 60 },
    );
    const request = { ask: 'profile', precision: 'pure', fused: true, batch: batches[0]! };
    for (const [name, title] of [
      ['ours', 'our step'],
      ['theirs', "PyTorch's step"],
    ] as const) {
      if (seconds - elapsed() < 8) break;
      const profile = await ask<Profile>(arms[name], request);
      findings.keep(`profile, ${name}`, profile);
      findings.note(told(title, profile));
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}
