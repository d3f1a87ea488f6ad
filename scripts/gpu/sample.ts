/** Sampling from the GPT of 1.41 billion weights, against the reference's cached sampler in plain PyTorch. */
import type { Findings } from './results.js';
import { alternate, ask, middle, ourArm, pythonArm, say, speedup } from './rounds.js';
import type { Settings } from './rounds.js';

const topK = 100;

export async function measureSampling(settings: Settings, findings: Findings): Promise<void> {
  const { rows, notes, raw } = findings;
  const { tiny, seconds } = settings;
  const arms = { ours: ourArm('gpt-arm.ts', settings), theirs: pythonArm('gpt_arm.py', settings) };
  try {
    say('arms start');
    findings.conditions = {
      ...(await ask<object>(arms.theirs, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'GPT, 48 layers, 1536 wide, 24 heads, 16384 tokens',
      'top-k': topK,
    };
    say('greedy tokens are compared');
    for (const [batch, way] of [
      [3, 'graph'],
      [1, 'kernels'],
    ] as const) {
      const greedy = { ask: 'greedy', batch, steps: 30 };
      const [a, b] = [
        await ask<number[][]>(arms.ours, { ...greedy, way }),
        await ask<number[][]>(arms.theirs, greedy),
      ].map((tokens) => JSON.stringify(tokens));
      if (a !== b) throw new Error(`a small GPT's greedy tokens differ: ${a}, by ${way}, and ${b}`);
    }
    notes.push('30 greedy tokens of a small GPT are the same in all');

    const tokens = tiny ? 20 : 256;
    const request = (batch: number, way?: string) => ({
      ask: 'sample',
      way,
      batch,
      steps: tokens,
      warmups: 1,
      top_k: tiny ? 10 : topK,
    });
    // Python's arm takes no `way`.
    const theirs = (batch: number) => ({ arm: arms.theirs, request: { ...request(batch), way: undefined } });
    const ours = (batch: number, way: string) => ({ arm: arms.ours, request: request(batch, way) });

    say('one image at a time');
    const alone = await alternate(
      {
        graph: ours(1, 'graph'),
        kernels: ours(1, 'kernels'),
        step: ours(1, 'step'),
        generate: ours(1, 'generate'),
        reference: theirs(1),
      },
      5,
      seconds * 0.6,
    );
    raw['batch 1'] = alone;
    notes.push(...new Set([...(alone[0]!.graph.fallbacks ?? []), ...(alone[0]!.kernels.fallbacks ?? [])]));
    const perToken = (name: keyof (typeof alone)[number]) => (1000 * middle(alone, name)) / tokens;
    const byKernels = alone.every(({ kernels }) => kernels.fallbacks?.length === 0);
    const best = byKernels && perToken('kernels') < perToken('graph') ? 'kernels' : 'graph';
    const compared = speedup(alone, best, 'reference');
    rows.push(
      {
        what: `batch 1, ${best}`,
        value: perToken(best),
        unit: 'ms/token',
        bound: 'aim 1.5',
        reached: perToken(best) <= 1.5,
      },
      {
        what: `batch 1, ${best}`,
        value: perToken(best),
        unit: 'ms/token',
        against: "the reference's sampler, float32",
        theirs: perToken('reference'),
        ...compared,
        bound: 'at least 10×',
        reached: compared.ratio >= 10,
      },
      { what: 'batch 1, operators replayed', value: perToken('graph'), unit: 'ms/token' },
      { what: 'batch 1, kernels of our own replayed', value: perToken('kernels'), unit: 'ms/token' },
      { what: 'batch 1, steps that run', value: perToken('step'), unit: 'ms/token' },
      { what: 'batch 1, generate()', value: perToken('generate'), unit: 'ms/token' },
    );

    const many = tiny ? 4 : 64;
    say(`${many} images at once`);
    const together = await alternate(
      {
        graph: ours(many, 'graph'),
        step: ours(many, 'step'),
        generate: ours(many, 'generate'),
        reference: theirs(many),
      },
      4,
      seconds - 15,
    );
    raw[`batch ${many}`] = together;
    const rate = (name: keyof (typeof together)[number]) => many / middle(together, name);
    rows.push({
      what: `batch ${many}, graph`,
      value: rate('graph'),
      unit: 'images/s',
      against: "the reference's sampler, float32",
      theirs: rate('reference'),
      ...speedup(together, 'graph', 'reference'),
      bound: 'aim 120',
      reached: rate('graph') >= 120,
    });
    rows.push({ what: `batch ${many}, generate()`, value: rate('generate'), unit: 'images/s' });
    for (const [name, { seconds: time, host }] of Object.entries(alone.at(-1)!)) {
      notes.push(`batch 1, ${name}: host busy ${((100 * host) / time).toFixed(0)}%`);
    }
    for (const batch of [1, many]) {
      const parts = await ask<Record<string, number>>(arms.ours, {
        ask: 'decode parts',
        batch,
        size: tokens,
        top_k: tiny ? 10 : topK,
      });
      raw[`parts of a step, batch ${batch}`] = parts;
      const list = Object.entries(parts).map(([name, part]) => `${name} ${(1000 * part).toFixed(2)}`);
      notes.push(`batch ${batch}, replayed alone, ms/token: ${list.join(', ')}`);
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}
