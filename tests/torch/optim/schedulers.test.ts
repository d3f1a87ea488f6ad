import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

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

type Groups = optim.SGD | optim.Adam;
type Make = (o: Groups) => optim.Schedule | optim.ReduceLROnPlateau;

const makes: Record<string, Make> = {
  StepLR: (o) => new optim.StepLR(o, 3),
  'StepLR gamma': (o) => new optim.StepLR(o, 4, { gamma: 0.7 }),
  MultiStepLR: (o) => new optim.MultiStepLR(o, [2, 9, 9, 15], { gamma: 0.5 }),
  ExponentialLR: (o) => new optim.ExponentialLR(o, 0.9),
  ConstantLR: (o) => new optim.ConstantLR(o),
  LinearLR: (o) => new optim.LinearLR(o, { startFactor: 0.1, endFactor: 0.8, totalIters: 12 }),
  PolynomialLR: (o) => new optim.PolynomialLR(o, { totalIters: 15, power: 2 }),
  LambdaLR: (o) => new optim.LambdaLR(o, (step) => 0.95 ** step),
  'LambdaLR each': (o) => new optim.LambdaLR(o, [(step) => 1 / (step + 1), (step) => step / 20]),
  MultiplicativeLR: (o) => new optim.MultiplicativeLR(o, (step) => (step % 2 === 1 ? 0.9 : 1.05)),
  warmUpCosine: (o) =>
    new optim.LambdaLR(
      o,
      optim.warmUpCosine({ warmUpSteps: 5, min: 0.1, max: 1, start: 0.01, maxDecaySteps: 16 }),
    ),
  CosineAnnealingLR: (o) => new optim.CosineAnnealingLR(o, 6, { etaMin: 1e-3 }),
  CosineAnnealingWarmRestarts: (o) => new optim.CosineAnnealingWarmRestarts(o, 3, { tMult: 2, etaMin: 1e-3 }),
  OneCycleLR: (o) => new optim.OneCycleLR(o, 0.5, { totalSteps: 21 }),
  'OneCycleLR three phases': (o) =>
    new optim.OneCycleLR(o, [0.5, 0.2], {
      epochs: 3,
      stepsPerEpoch: 7,
      threePhase: true,
      annealStrategy: 'linear',
      pctStart: 0.4,
    }),
  'OneCycleLR without momentum': (o) => new optim.OneCycleLR(o, 1, { totalSteps: 25, cycleMomentum: false }),
  CyclicLR: (o) => new optim.CyclicLR(o, 0.01, 0.2, { stepSizeUp: 3 }),
  'CyclicLR halved': (o) =>
    new optim.CyclicLR(o, [0.01, 0.02], [0.2, 0.1], {
      stepSizeUp: 2,
      stepSizeDown: 5,
      mode: 'triangular2',
      baseMomentum: 0.7,
    }),
  'CyclicLR of Adam': (o) =>
    new optim.CyclicLR(o, 0.01, 0.2, { stepSizeUp: 4, mode: 'exp_range', gamma: 0.95 }),
  'CyclicLR without momentum': (o) =>
    new optim.CyclicLR(o, 0.01, 0.2, {
      stepSizeUp: 4,
      scaleFn: (step) => 1 / (1 + step),
      scaleMode: 'iterations',
      cycleMomentum: false,
    }),
  SequentialLR: (o) =>
    new optim.SequentialLR(
      o,
      [
        new optim.LinearLR(o, { totalIters: 4 }),
        new optim.CosineAnnealingLR(o, 10),
        new optim.ExponentialLR(o, 0.5),
      ],
      [4, 14],
    ),
  'SequentialLR of restarts': (o) =>
    new optim.SequentialLR(
      o,
      [
        new optim.ConstantLR(o, { factor: 0.1, totalIters: 3 }),
        new optim.CosineAnnealingWarmRestarts(o, 4),
        new optim.StepLR(o, 2),
      ],
      [3, 12],
    ),
  ChainedScheduler: (o) =>
    new optim.ChainedScheduler([new optim.ConstantLR(o), new optim.ExponentialLR(o, 0.9)]),
  ReduceLROnPlateau: (o) => new optim.ReduceLROnPlateau(o, { patience: 1, factor: 0.5, minLr: [1e-3, 0.02] }),
  'ReduceLROnPlateau max': (o) =>
    new optim.ReduceLROnPlateau(o, {
      mode: 'max',
      patience: 0,
      thresholdMode: 'abs',
      cooldown: 2,
      threshold: 0.01,
    }),
};

function optimizerFor(name: string): Groups {
  const groups = [
    { params: [new nn.Parameter(torch.zeros([1]))] },
    { params: [new nn.Parameter(torch.zeros([1]))], lr: 0.05 },
  ];
  if (['OneCycleLR three phases', 'CyclicLR of Adam'].includes(name))
    return new optim.Adam(groups, { lr: 0.1 });
  return new optim.SGD(groups, { lr: 0.1, momentum: 0.9 });
}

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
  refused(() => new optim.CyclicLR(o, 1, 2, { stepSizeUp: 0 }), /0 up/);
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
  refused(() => cycle.step(), /over/);
  refused(() => cycle.loadStateDict(new optim.StepLR(o, 1).stateDict()), /total_steps/);
});
