/** Training the f16 VQGAN with all its losses: our step against PyTorch's by hand, by LlamaGen's schedule, and compiled. */
import type { Findings, Row } from './results.js';
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
  within,
} from './rounds.js';
import type { Case, Measured, Profile, Settings } from './rounds.js';

type Losses = Record<'nll' | 'g' | 'd' | 'weight', number>[];

const flat = (logs: Losses) => logs.flatMap(({ nll, g, d, weight }) => [nll, g, d, weight]);
const nll = (logs: Losses) => logs.map((log) => log.nll);

/** Settings of the compiled arm, fixed in advance: torch.compile compiles while other parts run. */
export const COMPILED = { precision: 'pure', channels_last: true };

/** Our settings that are compared: one fast path at a time is added, then each is left out. */
const OURS: Record<string, object> = {
  'norm kernel, channels last': { normKernel: true, channelsLast: true },
  'norm kernel, channels last, graph': { normKernel: true, channelsLast: true, graph: true },
  'norm kernel': { normKernel: true },
  'channels last': { channelsLast: true },
  plain: {},
  'norm kernel, channels last, deterministic': {
    normKernel: true,
    channelsLast: true,
    deterministic: true,
  },
};

const THEIRS: Record<string, object> = {
  'channels last': { channels_last: true },
  plain: {},
  'autocast, channels last': { precision: 'autocast', channels_last: true },
};

type Name = 'ours' | 'eager' | 'llamagen' | 'compiled';

export async function measureVqgan(settings: Settings, findings: Findings): Promise<void> {
  const { tiny, seconds } = settings;
  const arms = {
    ours: ourArm('vqgan-arm.ts', settings),
    eager: pythonArm('vqgan_arm.py', settings, '--schedule', 'one-pass'),
    llamagen: pythonArm('vqgan_arm.py', settings, '--schedule', 'llamagen'),
    compiled: pythonArm('vqgan_arm.py', settings, '--schedule', 'one-pass', '--compile'),
  };
  try {
    say('arms start');
    findings.conditions({
      ...(await ask<object>(arms.eager, { ask: 'versions' })),
      ...(await ask<object>(arms.ours, { ask: 'versions' })),
      model: tiny ? 'a toy' : 'VQGAN f16, 256²',
    });
    const [most, ...fewer] = tiny ? ([2, 1] as const) : ([32, 8] as const);
    const steps = tiny ? 1 : 5;
    // A graph runs its first three steps as they are and records at the fourth.
    const timeOf = (variant: object, batch: number, count: number, warmups = 4) => ({
      ask: 'time',
      precision: 'pure',
      ...variant,
      batch,
      steps: count,
      warmups,
    });

    // It finds the networks compiled, if `all` has had them compiled, and reads that while others are timed only once.
    const compiling = ask<Measured>(arms.compiled, timeOf(COMPILED, most, 1, 2));
    compiling.catch(() => {});

    say('losses are compared');
    const check = { ask: 'losses', precision: 'float32', batch: 2, steps: 3 };
    const [ours, theirs] = [await ask<Losses>(arms.ours, check), await ask<Losses>(arms.eager, check)];
    const low = { ...check, precision: 'pure' };
    const [oursLow, theirsLow] = [await ask<Losses>(arms.ours, low), await ask<Losses>(arms.eager, low)];
    findings.row(
      agreement('float32 losses of the first step', flat(ours.slice(0, 1)), flat(theirs.slice(0, 1)), 1e-3),
      // Adam turns a rounding error of a gradient near zero into a whole step.
      agreement('float32 losses of three steps', flat(ours), flat(theirs), 0.05),
      agreement('bfloat16 reconstruction losses', nll(oursLow), nll(theirsLow), 0.02),
    );

    say('torch.compile is waited for');
    let withCompiled = true;
    try {
      await within(Math.max(0.3 * seconds - elapsed(), 0.08 * seconds), compiling);
      findings.note(`torch.compile was ready after ${elapsed().toFixed(0)} s of this part`);
    } catch (error) {
      withCompiled = false;
      arms.compiled.kill();
      findings.leaveOut(`torch.compile (${(error as Error).message})`);
    }

    say('each side chooses its fastest settings');
    const choose = async (name: 'ours' | 'eager', variants: Record<string, object>, until: number) => {
      const rates: [string, number][] = [];
      for (const [key, variant] of Object.entries(variants)) {
        if (rates.length > 0 && elapsed() > until) {
          findings.leaveOut(`${name}: ${key}`);
          continue;
        }
        try {
          const measured = await ask<Measured>(arms[name], timeOf(variant, most, steps));
          const { seconds: time, fallbacks = [], host } = measured;
          rates.push([key, most / time]);
          const busy = `host busy ${((100 * host) / time).toFixed(0)}%`;
          findings.note(`${name}, ${key}: ${(most / time).toFixed(1)} images/s at batch ${most}, ${busy}`);
          for (const reason of fallbacks) findings.note(`${name}, ${key}, ran without: ${reason}`);
        } catch (error) {
          findings.note(`${name}, ${key}, failed: ${(error as Error).message}`);
        }
      }
      if (rates.length === 0) throw new Error(`nothing of ${name} runs`);
      findings.keep(`settings, ${name}`, rates);
      return variants[rates.sort(([, a], [, b]) => b - a)[0]![0]]!;
    };
    const oursBest = await choose('ours', OURS, 0.55 * seconds);
    const eagerBest = await choose('eager', THEIRS, 0.65 * seconds);

    const left = () => seconds - elapsed();
    const profiled = async () => {
      for (const [name, title, chosen] of [
        ['ours', 'our step', { ...oursBest, graph: false }],
        ['eager', "PyTorch's step", eagerBest],
      ] as const) {
        if (left() < 8) break;
        const profile = await ask<Profile>(arms[name], { ...timeOf(chosen, most, 1), ask: 'profile' });
        findings.keep(`profile, ${name}`, profile);
        findings.note(told(title, profile));
      }
    };

    // The largest first: it is the one with bounds.
    for (const [i, batch] of [most, ...fewer].entries()) {
      const first = i === 0;
      if (!first && left() < 25) {
        findings.leaveOut(`batch ${batch}`);
        continue;
      }
      say(`batch ${batch}`);
      const cases = {
        ours: { arm: arms.ours, request: timeOf(oursBest, batch, 2 * steps) },
        eager: { arm: arms.eager, request: timeOf(eagerBest, batch, 2 * steps) },
        llamagen: { arm: arms.llamagen, request: timeOf(eagerBest, batch, 2 * steps) },
        // Another batch size would be compiled again.
        ...(first &&
          withCompiled && { compiled: { arm: arms.compiled, request: timeOf(COMPILED, batch, 2 * steps) } }),
      } as Record<Name, Case>;
      const rounds = await alternate(cases, 7, elapsed() + (first ? 0.6 : 0.9) * (left() - 8));
      findings.keep(`batch ${batch}`, rounds);
      findings.row(...rowsOf(rounds, batch, first, 'compiled' in cases));
      if (first) await profiled();
      const one = rounds.at(-1)!;
      const gigabytes = (name: Name) => ((one[name].peak ?? 0) / 2 ** 30).toFixed(1);
      findings.note(
        `batch ${batch}: host busy ${((100 * one.ours.host) / one.ours.seconds).toFixed(0)}% of our step, ` +
          `${((100 * one.eager.host) / one.eager.seconds).toFixed(0)}% of PyTorch's; ` +
          `peak memory ${gigabytes('ours')} and ${gigabytes('eager')} GiB`,
      );
    }
  } finally {
    for (const arm of Object.values(arms)) arm.stop();
  }
}

function rowsOf(rounds: Record<Name, Measured>[], batch: number, bounded: boolean, compiled: boolean): Row[] {
  const rate = (name: Name) => batch / middle(rounds, name);
  const own = { what: `training, batch ${batch}`, value: rate('ours'), unit: 'images/s' };
  const against = (name: Name, title: string, atLeast: number, promised: boolean): Row => {
    const compared = speedup(rounds, 'ours', name);
    const bound = `${promised ? 'at least' : 'aim'} ${atLeast.toFixed(2)}×`;
    return {
      ...own,
      against: title,
      theirs: rate(name),
      ...compared,
      ...(bounded && { bound, reached: compared.ratio >= atLeast }),
    };
  };
  return [
    against('eager', 'PyTorch eager, one pass', 1.15, true),
    against('llamagen', "PyTorch eager, LlamaGen's schedule", 1.3, true),
    ...(compiled ? [against('compiled', 'torch.compile, one pass', 1, false)] : []),
    ...(bounded ? [{ ...own, what: `${own.what}, speed`, bound: 'aim 200', reached: own.value >= 200 }] : []),
  ];
}
