import test from 'ava';
import { resolveConfig } from '../../../src/runs/config.js';
import { optimizerNames } from '../../../src/runs/setting-kinds.js';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { checkOptimizer, optimizerOf } from '../../../src/training/engine/optimizers.js';
import { transformerConfig, vqganConfig } from '../tiny.js';

const first = (optimizer: unknown, more: Record<string, unknown> = {}) =>
  resolveConfig('vqgan', vqganConfig({ optimizer, ...more })).training;
const second = (optimizer: unknown) =>
  resolveConfig('transformer', transformerConfig('runs/vqgan', { optimizer })).training;

test('a run can use every optimizer of optim', (t) => {
  const all = Object.entries(optim).flatMap(([name, value]) =>
    (value as { prototype?: unknown }).prototype instanceof optim.Optimizer ? [name] : [],
  );
  t.deepEqual([...optimizerNames].sort(), all.sort());
  for (const target of optimizerNames) {
    const parameter = new nn.Parameter(torch.ones([2]));
    const groups = [{ params: [parameter], weightDecay: 0.5 }];
    const made = optimizerOf(second(target), 'AdamW', groups);
    t.is(made.constructor.name, target);
    t.is(made.paramGroups[0]!.lr, 3e-4);
    const settings = made.paramGroups[0] as { weightDecay?: number; betas?: number[] };
    if ('weightDecay' in settings) t.is(settings.weightDecay, 0.5);
    if ('betas' in settings) t.deepEqual(settings.betas, [0.9, 0.95]);
    parameter.grad = torch.ones([2]);
    made.step();
    t.true(parameter.detach().max().item() < 1, target);
    checkOptimizer(second(target), 'AdamW');
  }
});

test('its settings go before those of training, and without a name it is that of the stage', (t) => {
  const groups = [{ params: [new nn.Parameter(torch.ones([2]))] }];
  const settingsOf = (optimizer: unknown, usual: 'Adam' | 'AdamW' = 'Adam') => {
    const { constructor, paramGroups } = optimizerOf(first(optimizer), usual, groups);
    return { ...paramGroups[0], name: constructor.name } as Record<string, unknown>;
  };
  t.like(settingsOf(undefined), { name: 'Adam', lr: 1e-4, betas: [0.5, 0.9], weightDecay: 0 });
  t.like(settingsOf(undefined, 'AdamW'), { name: 'AdamW', weightDecay: 0.01 });
  t.like(settingsOf({ target: 'NAdam', params: { betas: [0.1, 0.2], eps: 1e-6 } }), {
    name: 'NAdam',
    betas: [0.1, 0.2],
    eps: 1e-6,
  });
  t.like(settingsOf({ target: 'SGD', params: { momentum: 0.9 } }), {
    name: 'SGD',
    momentum: 0.9,
    betas: undefined,
  });
});

for (const [given, message] of [
  ['Lion', /optimizer must be one of Adadelta, .*SGD, or \{ target, params \}/],
  [{ target: 'SGD', momentum: 0.9 }, /optimizer must be one of/],
  [
    { target: 'SGD', params: { momentun: 0.9 } },
    /params\.momentun: SGD has no such setting; did you mean "momentum"/,
  ],
  [{ target: 'SGD', params: { lr: 0.9 } }, /params\.lr: set training\.learningRate instead/],
  [{ target: 'AdamW', params: { eps: -1 } }, /params: .*eps -1 \(must be at least 0\)/],
] as const) {
  test(`refused: ${JSON.stringify(given)}`, (t) => {
    t.throws(() => checkOptimizer(first(given), 'Adam'), { instanceOf: TypeError, message });
  });
}

test('refused: weight decay of a second stage in two places, and a graph of what cannot be recorded', (t) => {
  const decays = second({ target: 'SGD', params: { weightDecay: 0.1 } });
  t.throws(() => checkOptimizer(decays, 'AdamW'), { message: /set training\.weightDecay instead/ });
  t.throws(() => checkOptimizer(first('SGD', { graph: true }), 'Adam'), {
    message: /Adam and AdamW, not of SGD/,
  });
  t.notThrows(() => checkOptimizer(first('AdamW', { graph: true }), 'Adam'));
});
