import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { makes, optimizerFor, type Groups, type Make } from './scheduler-cases.js';

interface Case {
  /** The groups' learning rates after construction and after each step. */
  lr: number[][];
  /** The first group's momentum after each step. */
  momentum: number[];
  half: optim.SchedulerState;
  group: Record<string, unknown>;
  state: optim.SchedulerState;
}

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/schedulers.json', import.meta.url), 'utf8'),
  (_, value: unknown) => (value === 'inf' ? Infinity : value === '-inf' ? -Infinity : value),
) as { half: number; measures: number[]; cases: Record<string, Case> };

const rates = (optimizer: Groups): number[] => optimizer.paramGroups.map((group) => group.lr);

const momentum = (optimizer: Groups): number => {
  const [group] = optimizer.paramGroups as { momentum?: number; betas?: [number, number] }[];
  return group?.betas?.[0] ?? (group?.momentum as number);
};

function step(scheduler: ReturnType<Make>, i: number): void {
  if (scheduler instanceof optim.ReduceLROnPlateau) scheduler.step(fixture.measures[i] as number);
  else scheduler.step();
}

const close = (actual: unknown, expected: unknown): boolean => {
  if (typeof expected === 'number' && typeof actual === 'number')
    return actual === expected || Math.abs(actual - expected) <= 1e-10 * Math.max(1, Math.abs(expected));
  if (actual instanceof Map) return close(Object.fromEntries(actual), expected);
  if (typeof expected !== 'object' || expected === null) return actual === expected;
  if (typeof actual !== 'object' || actual === null) return false;
  const keys = Object.keys(expected);
  return (
    keys.length === Object.keys(actual).length &&
    keys.every((key) =>
      close((actual as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key]),
    )
  );
};

test('the fixture and this file list the same schedulers', (t) => {
  t.deepEqual(Object.keys(makes), Object.keys(fixture.cases));
});

for (const [name, make] of Object.entries(makes)) {
  const expected = fixture.cases[name] as Case;

  test(`${name}: 20 steps are PyTorch's`, (t) => {
    const optimizer = optimizerFor(name);
    const scheduler = make(optimizer);
    t.true(close(rates(optimizer), expected.lr[0]));
    expected.momentum.forEach((wanted, i) => {
      step(scheduler, i);
      t.true(close(rates(optimizer), expected.lr[i + 1]), `step ${i + 1}`);
      t.true(close(momentum(optimizer), wanted));
      t.true(close(scheduler.lastLr, expected.lr[i + 1]));
      if (i + 1 === fixture.half) {
        t.true(close(scheduler.stateDict(), expected.half));
        const [group] = optimizer.stateDict().param_groups;
        t.deepEqual(Object.keys(group as object).sort(), [...Object.keys(expected.group), 'params'].sort());
      }
    });
    t.true(close(scheduler.stateDict(), expected.state));
  });

  test(`${name} goes on from PyTorch's state dict`, (t) => {
    const optimizer = optimizerFor(name);
    const scheduler = make(optimizer);
    scheduler.loadStateDict(expected.half);
    optimizer.paramGroups.forEach((group, i) => {
      group.lr = expected.lr[fixture.half]?.[i] as number;
    });
    for (let i = fixture.half; i < expected.momentum.length; i++) {
      step(scheduler, i);
      t.true(close(rates(optimizer), expected.lr[i + 1]), `step ${i + 1}`);
    }
  });
}

test('a schedule goes on with its optimizer in a run that is resumed', (t) => {
  const first = optimizerFor('');
  const scheduler = new optim.CosineAnnealingLR(first, 10);
  for (let i = 0; i < 4; i++) scheduler.step();
  const second = optimizerFor('');
  second.loadStateDict(first.stateDict());
  const resumed = new optim.CosineAnnealingLR(second, 10, { lastEpoch: 3 });
  t.true(close(rates(second), rates(first)));
  scheduler.step();
  resumed.step();
  t.true(close(rates(second), rates(first)));
});

test('mistakes are refused', (t) => {
  const o = optimizerFor('');
  const other = optimizerFor('');
  const refused = (run: () => unknown, message: RegExp): void => {
    t.throws(run, { instanceOf: torch.ArgumentError, message });
  };
  refused(() => new optim.StepLR(o, 2, { lastEpoch: 5 }), /initialLr/);
  refused(() => new optim.ConstantLR(o, { factor: 2 }), /factor/);
  refused(() => new optim.LinearLR(o, { startFactor: 0 }), /startFactor/);
  refused(() => new optim.LinearLR(o, { endFactor: 2 }), /endFactor/);
  refused(() => new optim.CosineAnnealingLR(o, 0), /tMax/);
  refused(() => new optim.CosineAnnealingWarmRestarts(o, 1.5), /t0/);
  refused(() => new optim.CosineAnnealingWarmRestarts(o, 2, { tMult: 0 }), /tMult/);
  refused(() => new optim.OneCycleLR(o, 1, {}), /totalSteps/);
  refused(() => new optim.OneCycleLR(o, [1], { totalSteps: 3 }), /1 values of maxLr for 2/);
  refused(() => new optim.OneCycleLR(o, 1, { totalSteps: 3, pctStart: 2 }), /pctStart/);
  refused(() => new optim.CyclicLR(o, [1], 2), /1 values of baseLr for 2/);
  refused(() => new optim.CyclicLR(o, 1, 2, { stepSizeUp: 0 }), /not 0 and 0/);
  refused(() => new optim.CyclicLR(o, 1, 2, { mode: 'square' as 'triangular' }), /'square'/);
  const rprop = new optim.Rprop([new nn.Parameter(torch.zeros([1]))]);
  refused(() => new optim.CyclicLR(rprop, 1, 2), /no momentum/);
  refused(() => new optim.LambdaLR(o, [() => 1]), /1 functions for 2/);
  refused(() => optim.warmUpCosine({ warmUpSteps: 5, min: 0, max: 1, start: 0, maxDecaySteps: 5 }), /decay/);
  refused(() => new optim.SequentialLR(o, [new optim.StepLR(o, 1)], [1]), /0 milestones, not 1/);
  refused(() => new optim.SequentialLR(o, [new optim.StepLR(other, 1)], []), /another optimizer/);
  refused(() => new optim.ChainedScheduler([]), /at least one/);
  refused(() => new optim.ReduceLROnPlateau(o, { factor: 1 }), /factor/);
  refused(() => new optim.ReduceLROnPlateau(o, { minLr: [1] }), /1 values of minLr/);
  refused(() => new optim.ReduceLROnPlateau(o, { mode: 'x' as 'min' }), /'x'/);
  const cycle = new optim.OneCycleLR(o, 1, { totalSteps: 1 });
  cycle.step();
  refused(() => cycle.step(), /has ended/);
  refused(() => cycle.loadStateDict(new optim.StepLR(o, 1).stateDict()), /total_steps/);
});
