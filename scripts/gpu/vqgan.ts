/** Training the f16 VQGAN with all its losses: our step against PyTorch's by hand, by LlamaGen's schedule, and compiled. */
import type { Findings, Row } from './results.js';
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
  within,
} from './rounds.js';
import type { Case, Measured, Profile, Settings } from './rounds.js';

type Losses = Record<'nll' | 'g' | 'd' | 'weight', number>[];

const flat = (logs: Losses) => logs.flatMap(({ nll, g, d, weight }) => [nll, g, d, weight]);

export async function measureVqgan(settings: Settings, findings: Findings): Promise<void> {
  const { rows, notes, raw } = findings;
  const { tiny, seconds } = settings;
  const arms = {
    ours: ourArm('vqgan-arm.ts', settings),
    eager: pythonArm('vqgan_arm.py', settings, '--schedule', 'one-pass'),
    llamagen: pythonArm('vqgan_arm.py', settings, '--schedule', 'llamagen'),
    compiled: pythonArm('vqgan_arm.py', settings, '--schedule', 'one-pass', '--compile'),
  };
  try {
    say('arms start');
    findings.conditions = {
      ...(await ask<object>(arms.eager, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'VQGAN f16, 256²',
    };

    const batches = tiny ? [1, 2] : [8, 16, 32];
    const most = batches.at(-1)!;
    // A graph runs its first three steps as they are and records at the fourth.
    const timeOf = (variant: object, batch: number, steps: number, warmups = 4) => ({
      ask: 'time',
      precision: 'pure',
      ...variant,
      batch,
      steps,
      warmups,
    });

    say('losses are compared');
    const check = { ask: 'losses', precision: 'float32', batch: 2, steps: 3 };
    const [ours, theirs] = [await ask<Losses>(arms.ours, check), await ask<Losses>(arms.eager, check)];
    const exact = mustAgree(
      'float32 losses of the first step',
      flat(ours.slice(0, 1)),
      flat(theirs.slice(0, 1)),
      1e-3,
    );
    // Adam turns a rounding error of a gradient near zero into a whole step.
    const later = mustAgree('float32 losses of three steps', flat(ours), flat(theirs), 0.05);
    const low = { ...check, precision: 'pure' };
    const [oursLow, theirsLow] = [await ask<Losses>(arms.ours, low), await ask<Losses>(arms.eager, low)];
    const nll = (logs: Losses) => logs.map((log) => log.nll);
    const rough = mustAgree('bfloat16 reconstruction losses', nll(oursLow), nll(theirsLow), 0.02);
    notes.push(
      `losses agree: float32 to ${exact.toExponential(1)}, after steps to ${later.toExponential(1)}, bfloat16 to ${rough.toExponential(1)}`,
    );

    say('each side chooses its fastest settings');
    const steps = tiny ? 1 : 5;
    const choose = async (name: 'ours' | 'eager', variants: Record<string, object>) => {
      const cases = Object.fromEntries(
        Object.entries(variants).map(([key, variant]): [string, Case] => [
          key,
          { arm: arms[name], request: timeOf(variant, most, steps) },
        ]),
      );
      const rounds = await alternate(cases, 1, seconds * 0.4);
      const times = Object.keys(cases).map((key) => [key, middle(rounds, key)] as const);
      const [best] = [...times].sort(([, a], [, b]) => a - b)[0]!;
      notes.push(
        `${name}: ${times.map(([key, time]) => `${key} ${(most / time).toFixed(1)}`).join(', ')} images/s at batch ${most}; ${best} is used`,
      );
      for (const key of Object.keys(cases)) {
        for (const reason of rounds[0]![key]!.fallbacks ?? [])
          notes.push(`${name}, ${key}, ran without: ${reason}`);
      }
      return variants[best]!;
    };
    const oursBest = await choose('ours', {
      plain: {},
      'norm kernel': { normKernel: true },
      'norm kernel, channels last': { normKernel: true, channelsLast: true },
      'norm kernel, graph': { normKernel: true, graph: true },
      'norm kernel, channels last, graph': { normKernel: true, channelsLast: true, graph: true },
    });
    const eagerBest = await choose('eager', {
      plain: {},
      'channels last': { channels_last: true },
      autocast: { precision: 'autocast' },
      'autocast, channels last': { precision: 'autocast', channels_last: true },
    });

    const left = () => seconds - elapsed();
    // What is left after it must do for the rounds.
    const forCompiling = left() - 110;
    let withCompiled = forCompiling > 30;
    const compiledAt = elapsed();
    try {
      if (!withCompiled) throw new Error('no time was left for it');
      say('compiling');
      const compiling = ask<Measured>(arms.compiled, timeOf(eagerBest, most, 1, 2));
      await within(forCompiling, compiling);
      notes.push(`torch.compile took ${(elapsed() - compiledAt).toFixed(0)} s`);
    } catch (error) {
      withCompiled = false;
      arms.compiled.kill();
      notes.push(`torch.compile was left out: ${(error as Error).message}`);
    }

    // The largest first: it is the one with bounds.
    for (const [i, batch] of [...batches].reverse().entries()) {
      const last = batch === most;
      if (!last && left() < 40) {
        notes.push(`batch ${batch} was left out for lack of time`);
        continue;
      }
      say(`batch ${batch}`);
      const cases = {
        ours: { arm: arms.ours, request: timeOf(oursBest, batch, 2 * steps) },
        eager: { arm: arms.eager, request: timeOf(eagerBest, batch, 2 * steps) },
        llamagen: { arm: arms.llamagen, request: timeOf(eagerBest, batch, 2 * steps) },
        // Another batch size would be compiled anew.
        ...(last &&
          withCompiled && {
            compiled: { arm: arms.compiled, request: timeOf(eagerBest, batch, 2 * steps) },
          }),
      } as Record<'ours' | 'eager' | 'llamagen' | 'compiled', Case>;
      const until = elapsed() + left() / (batches.length - i);
      const rounds = await alternate(cases, 7, until - 10);
      raw[`batch ${batch}`] = rounds;
      const rate = (name: keyof typeof cases) => batch / middle(rounds, name);
      const own = { what: `training, batch ${batch}`, value: rate('ours'), unit: 'images/s' };
      const against = (name: keyof typeof cases, title: string, atLeast: number, promised: boolean): Row => {
        const compared = speedup(rounds, 'ours', name);
        return {
          ...own,
          against: title,
          theirs: rate(name),
          ...compared,
          ...(last && {
            bound: `${promised ? 'at least' : 'aim'} ${atLeast.toFixed(2)}×`,
            reached: compared.ratio >= atLeast,
          }),
        };
      };
      rows.push(
        against('eager', 'PyTorch eager, one pass', 1.15, true),
        against('llamagen', "PyTorch eager, LlamaGen's schedule", 1.3, true),
      );
      if ('compiled' in cases) rows.push(against('compiled', 'torch.compile, one pass', 1, false));
      if (last)
        rows.push({ ...own, what: `${own.what}, speed`, bound: 'aim 200', reached: own.value >= 200 });
      const one = rounds.at(-1)!;
      const gigabytes = (name: keyof typeof cases) => ((one[name].peak ?? 0) / 2 ** 30).toFixed(1);
      notes.push(
        `batch ${batch}: host busy ${((100 * one.ours.host) / one.ours.seconds).toFixed(0)}% of our step, ` +
          `${((100 * one.eager.host) / one.eager.seconds).toFixed(0)}% of PyTorch's; peak memory ${gigabytes('ours')} and ${gigabytes('eager')} GiB`,
      );
    }
    for (const [name, title, settings] of [
      ['ours', 'our step', { ...oursBest, graph: false }],
      ['eager', "PyTorch's step", eagerBest],
    ] as const) {
      if (left() < 20) break;
      const profile = await ask<Profile>(arms[name], { ...timeOf(settings, most, 1), ask: 'profile' });
      raw[`profile, ${name}`] = profile;
      notes.push(told(title, profile));
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}
