/** Sampling from the GPT of 1.41 billion weights, against the reference's cached sampler in plain PyTorch. */
import type { Findings } from './results.js';
import { agreement, alternate, ask, elapsed, middle, ourArm, pythonArm, say, speedup } from './rounds.js';
import type { Case, Measured, Settings } from './rounds.js';

const topK = 100;

type Way = 'kernels' | 'graph' | 'step' | 'generate' | 'reference' | 'preallocated';

export async function measureSampling(settings: Settings, findings: Findings): Promise<void> {
  const { tiny, seconds } = settings;
  const arms = {
    ours: ourArm('gpt-arm.ts', settings),
    // A kernel of our own that fails takes its process with it.
    kernels: ourArm('gpt-arm.ts', settings),
    theirs: pythonArm('gpt_arm.py', settings),
  };
  try {
    say('arms start');
    findings.conditions({
      ...(await ask<object>(arms.theirs, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'GPT, 48 layers, 1536 wide, 24 heads, 16384 tokens',
      'top-k': topK,
    });
    say('greedy tokens are compared');
    for (const [batch, way] of [
      [3, 'graph'],
      [1, 'kernels'],
    ] as const) {
      const greedy = { ask: 'greedy', batch, steps: 30 };
      try {
        const [a, b] = [
          await ask<number[][]>(way === 'kernels' ? arms.kernels : arms.ours, { ...greedy, way }),
          await ask<number[][]>(arms.theirs, greedy),
        ].map((rows) => rows.flat());
        findings.row(agreement(`30 greedy tokens of a small GPT, ${way}`, a!, b!, 0));
      } catch (error) {
        findings.note(`greedy tokens, ${way}: ${(error as Error).message}`);
      }
    }

    const tokens = tiny ? 20 : 256;
    const request = { ask: 'sample', steps: tokens, warmups: 0, top_k: tiny ? 10 : topK };
    const theirs = (batch: number, way?: 'static') => ({
      arm: arms.theirs,
      request: { ...request, batch, way },
    });
    const ours = (batch: number, way: string) => ({
      arm: way === 'kernels' ? arms.kernels : arms.ours,
      request: { ...request, batch, way },
    });

    say('one image at a time');
    const alone = await alternate(
      await usable(settings, findings, {
        kernels: ours(1, 'kernels'),
        graph: ours(1, 'graph'),
        step: ours(1, 'step'),
        generate: ours(1, 'generate'),
        reference: theirs(1),
        preallocated: theirs(1, 'static'),
      }),
      5,
      seconds * 0.5,
    );
    findings.keep('batch 1', alone);
    const perToken = (name: Way) => (1000 * middle(alone, name)) / tokens;
    const has = (name: Way) => alone[0]![name] !== undefined;
    const best = fastest(alone, ['kernels', 'graph', 'step', 'generate']);
    const own = { what: `batch 1, ${best}`, value: perToken(best), unit: 'ms/token' };
    findings.row({ ...own, bound: 'aim 1.5', reached: own.value <= 1.5 });
    for (const [name, title] of [
      ['reference', "the reference's sampler, float32"],
      ['preallocated', 'PyTorch eager, memory taken once, bfloat16'],
    ] as const) {
      if (!has(name)) continue;
      const compared = speedup(alone, best, name);
      const bound = name === 'reference' && { bound: 'at least 10×', reached: compared.ratio >= 10 };
      findings.row({ ...own, against: title, theirs: perToken(name), ...compared, ...bound });
    }
    for (const [name, title] of [
      ['graph', 'operators replayed'],
      ['kernels', 'kernels of our own replayed'],
      ['step', 'steps that run'],
      ['generate', 'generate()'],
    ] as const) {
      if (has(name)) findings.row({ what: `batch 1, ${title}`, value: perToken(name), unit: 'ms/token' });
    }

    const many = tiny ? 4 : 64;
    say(`${many} images at once`);
    const together = await alternate(
      await usable(settings, findings, {
        graph: ours(many, 'graph'),
        generate: ours(many, 'generate'),
        reference: theirs(many),
        preallocated: theirs(many, 'static'),
      }),
      4,
      seconds * 0.85,
    );
    findings.keep(`batch ${many}`, together);
    const rate = (name: keyof (typeof together)[number]) => many / middle(together, name);
    const bestOfMany = fastest(together, ['graph', 'generate']);
    for (const [name, title] of [
      ['reference', "the reference's sampler, float32"],
      ['preallocated', 'PyTorch eager, memory taken once, bfloat16'],
    ] as const) {
      if (!together[0]![name]) continue;
      findings.row({
        what: `batch ${many}, ${bestOfMany}`,
        value: rate(bestOfMany),
        unit: 'images/s',
        against: title,
        theirs: rate(name),
        ...speedup(together, bestOfMany, name),
        ...(name === 'reference' && { bound: 'aim 120', reached: rate(bestOfMany) >= 120 }),
      });
    }
    if (together[0]!.generate)
      findings.row({ what: `batch ${many}, generate()`, value: rate('generate'), unit: 'images/s' });
    for (const [name, { seconds: time, host }] of Object.entries(alone.at(-1)!)) {
      findings.note(`batch 1, ${name}: host busy ${((100 * host) / time).toFixed(0)}%`);
    }
    for (const batch of [1, many]) {
      if (seconds - elapsed() < 5) break;
      const parts = await ask<Record<string, number>>(arms.ours, {
        ask: 'decode parts',
        batch,
        size: tokens,
        top_k: tiny ? 10 : topK,
      });
      findings.keep(`parts of a step, batch ${batch}`, parts);
      const list = Object.entries(parts).map(([name, part]) => `${name} ${(1000 * part).toFixed(2)}`);
      findings.note(`batch ${batch}, replayed alone, ms/token: ${list.join(', ')}`);
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}

/** Of ways to sample, the one that took the least time. */
function fastest<Name extends Way>(rounds: Record<Name, Measured>[], names: readonly Name[]): Name {
  const ran = names.filter((name) => rounds[0]?.[name] !== undefined);
  return ran.reduce((a, b) => (middle(rounds, b) < middle(rounds, a) ? b : a));
}

/** The cases that run as they are meant to, each tried once, which also warms it up and records it; why others do not is noted. */
async function usable<Name extends Way>(
  settings: Settings,
  findings: Findings,
  cases: Record<Name, Case>,
): Promise<Record<Name, Case>> {
  const works = {} as Record<Name, Case>;
  for (const [name, one] of Object.entries(cases) as [Name, Case][]) {
    try {
      const { fallbacks = [] } = await ask<Measured>(one.arm, one.request);
      // The CPU has neither graphs nor kernels of ours; there they stand for what a GPU does.
      if (fallbacks.length === 0 || settings.device === 'cpu') works[name] = one;
      for (const reason of fallbacks) findings.note(`${name}: ${reason}`);
    } catch (error) {
      findings.note(`${name} failed: ${(error as Error).message}`);
    }
  }
  return works;
}
