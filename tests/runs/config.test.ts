import test from 'ava';
import { withChanges } from '../../src/runs/config-changes.js';
import { parseInterval, resolveConfig } from '../../src/runs/config.js';
import { transformerConfig, vqganConfig } from '../training/tiny.js';

test('defaults are filled in, by stage', (t) => {
  const { data, training } = resolveConfig('vqgan', vqganConfig());
  t.like(data, { crop: 'random', flip: true, heldOut: 0.05, onError: 'skip', size: 16 });
  t.like(training, {
    betas: [0.5, 0.9],
    step: 'one-pass',
    learningRate: 1e-4,
    precision: 'float32',
    seed: 1,
  });
  const second = resolveConfig('transformer', transformerConfig('runs/vqgan'));
  t.like(second.training, { betas: [0.9, 0.95], views: 1, learningRate: 3e-4, vqgan: 'runs/vqgan' });
  const published = { ...vqganConfig(), data: { path: 'x' } };
  const based = { ...published, model: { ...published.model, base_learning_rate: 4.5e-6 } };
  t.is(resolveConfig('vqgan', based).training.learningRate, 9e-6, 'times the batch size, as the reference');
  t.is(resolveConfig('vqgan', based).data.size, 16, "the model's resolution");
});

test('mistakes are named with their place and the nearest key', (t) => {
  const attempt = (stage: 'vqgan' | 'transformer', training: Record<string, unknown>, data = {}) =>
    resolveConfig(stage, { ...vqganConfig(training), data: { path: 'x', ...data } });
  for (const [training, expected] of [
    [{ batchsize: 1 }, /unknown key "training\.batchsize".*"training\.batchSize"/],
    [{ warmup: 1.5 }, /training\.warmup must be a share of the run from 0 to 1, or a number of steps/],
    [{ logEvery: '10 seconds' }, /training\.logEvery must be a number of steps, or a time such as 30s/],
    [{ betas: [0.5] }, /training\.betas must be a list of two numbers/],
    [{ device: 'gpu' }, /training\.device must be auto, cpu/],
    [{ views: 2 }, /unknown key "training\.views"/],
    [{ steps: null }, /a run needs an end/],
  ] as const) {
    t.throws(() => attempt('vqgan', training), { instanceOf: TypeError, message: expected });
  }
  t.throws(() => attempt('vqgan', {}, { hold: 1 }), { message: /unknown key "data\.hold"/ });
  t.throws(() => attempt('transformer', { restartCodes: true }), { message: /"training\.restartCodes"/ });
  t.throws(() => resolveConfig('vqgan', { modle: {} }), { message: /"modle"; did you mean "model"/ });
  t.throws(() => resolveConfig('vqgan', 'photos'), { message: /sections model, data and training/ });
});

test('intervals are steps or times', (t) => {
  t.deepEqual(parseInterval(50), { steps: 50 });
  t.deepEqual(parseInterval('90s'), { seconds: 90 });
  t.deepEqual(parseInterval('1.5m'), { seconds: 90 });
});

test('a resumed run keeps what its losses depend on', (t) => {
  const config = resolveConfig('vqgan', vqganConfig());
  const longer = withChanges('vqgan', config, { training: { steps: 50 }, data: { path: 'moved' } });
  t.is(longer.training.steps, 50);
  t.is(longer.data.path, 'moved');
  const timed = withChanges('vqgan', config, { training: { minutes: 5 } });
  t.deepEqual(
    [timed.training.steps, timed.training.minutes],
    [undefined, 5],
    'a new end replaces the old one',
  );
  t.throws(() => withChanges('vqgan', config, { training: { seed: 2 }, model: {} }), {
    message: /cannot change model, training\.seed/,
  });
});
