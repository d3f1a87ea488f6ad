import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { loadCheckpoint, savePytorch } from '../../../src/torch/io/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { classes, fixture, float64, make, run, start } from './optimizer-cases.js';
import type { AnyOptimizer, Case, Make, Nested, Snapshot } from './optimizer-cases.js';

function distance(a: Nested, b: Nested): number {
  const left = [a].flat(9) as number[];
  const right = [b].flat(9) as number[];
  if (left.length !== right.length) return Infinity;
  const scale = Math.max(...right.map(Math.abs), 1);
  return Math.max(...left.map((x, i) => Math.abs(x - (right[i] as number)))) / scale;
}

/** State as it comes out of PyTorch. */
function stored({ state, param_groups }: Snapshot): optim.OptimizerState {
  const entries = Object.entries(state).map(([id, entry]) => {
    const tensors = Object.entries(entry).map(([key, value]) => [key, float64(value)]);
    return [id, Object.fromEntries(tensors)];
  });
  return { state: Object.fromEntries(entries) as optim.OptimizerState['state'], param_groups };
}

for (const [name, expected] of Object.entries(fixture.cases)) {
  test(`${name}: 20 steps are PyTorch's`, (t) => {
    const parameters = start();
    const optimizer = make(name, parameters);
    run(optimizer, parameters, 0, fixture.grads.length);
    parameters.forEach((p, i) => {
      t.true(distance(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-10);
    });
    const saved = optimizer.stateDict();
    t.deepEqual(Object.keys(saved.state), Object.keys(expected.state));
    for (const [id, entry] of Object.entries(expected.state)) {
      t.deepEqual(Object.keys(saved.state[Number(id)] as object).sort(), Object.keys(entry).sort());
      for (const [key, value] of Object.entries(entry)) {
        // NAdam's product of momenta is kept in float32.
        const bound = key === 'mu_product' ? 1e-6 : 1e-10;
        t.true(distance(saved.state[Number(id)]?.[key]?.tolist() as Nested, value) < bound, key);
      }
    }
    t.deepEqual(saved.param_groups, expected.param_groups as optim.SavedGroup[]);
  });

  test(`${name} goes on from PyTorch's state dict`, (t) => {
    const parameters = expected.half.parameters.map((values) => new nn.Parameter(float64(values)));
    const optimizer = make(name, parameters, { lr: 123, weightDecay: 0.9 });
    optimizer.loadStateDict(stored(expected.half));
    run(optimizer, parameters, fixture.half, fixture.grads.length);
    parameters.forEach((p, i) => {
      t.true(distance(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-10);
    });
  });
}

const saved = await loadCheckpoint(fileURLToPath(new URL('../../fixtures/optimizers.pt', import.meta.url)));
for (const [name, expected] of Object.entries(fixture.cases)) {
  test(`${name} goes on from what torch.save wrote`, (t) => {
    const parameters = expected.half.parameters.map((values) => new nn.Parameter(float64(values)));
    const optimizer = make(name, parameters, { lr: 123 });
    torch.scope(() => optimizer.loadStateDict(optim.optimizerStateFrom(saved, name)));
    run(optimizer, parameters, fixture.half, fixture.grads.length);
    parameters.forEach((p, i) => {
      t.true(distance(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-10);
    });
  });
}

const names = ['ASGD', 'Rprop', 'SGD', 'RMSprop', 'Adagrad', 'Adadelta', 'Adamax', 'NAdam', 'RAdam', 'AdamW'];

for (const name of names) {
  test(`${name}: layouts, dtypes and complex numbers`, (t) => {
    const Class = classes[name] as Make;
    const options = { lr: 0.1, weightDecay: 0.1, ...(name === 'SGD' && { momentum: 0.9 }) };
    const values = torch.randn([4, 3, 2, 2], { dtype: 'float64' });
    const gradient = torch.randn([4, 3, 2, 2], { dtype: 'float64' });
    const nhwc = (x: Tensor): Tensor => x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
    const steps = (begin: Tensor, slope: Tensor): Tensor => {
      const p = new nn.Parameter(begin);
      const optimizer = new Class([{ params: [p] }], options);
      for (let i = 0; i < 3; i++) {
        p.grad = slope;
        optimizer.step();
      }
      return p;
    };
    const expected = steps(values.clone(), gradient.clone()).tolist() as Nested;
    for (const [begin, slope] of [
      [values.clone(), nhwc(gradient)],
      [nhwc(values), gradient.clone()],
      // A view with gaps: a kernel that takes memory for flat would write into them.
      [torch.cat([values, values], 1).narrow(1, 0, 3), gradient.clone()],
    ] as const) {
      t.true(distance(steps(begin, slope).tolist() as Nested, expected) < 1e-12);
    }
    const low = steps(values.to('float32'), gradient.to('float32'));
    t.is(low.dtype, 'float32');
    t.true(distance(low.tolist() as Nested, expected) < 1e-4);
    if (name === 'AdamW') return;
    const pairs = (x: Tensor): Tensor => x.reshape([12, 2, 2]).contiguous().viewAsComplex();
    const whole = steps(pairs(values.clone()), pairs(gradient.clone()));
    t.true(distance(whole.viewAsReal().flatten().tolist() as Nested, [expected].flat(9) as Nested) < 1e-12);
  });

  test(`${name}: the state follows its parameter, and one that does not fit never reaches a kernel`, (t) => {
    const options = name === 'SGD' ? { momentum: 0.9 } : {};
    const p = new nn.Parameter(torch.zeros([3, 3]));
    const optimizer = new (classes[name] as Make)([{ params: [p] }], options);
    p.grad = torch.ones([3, 3]);
    optimizer.step();
    p.grad = null;
    p.data = p.detach().to('float64');
    p.grad = torch.ones([3, 3], { dtype: 'float64' });
    optimizer.step();
    const state = optimizer.state.get(p) as Record<string, Tensor>;
    const [key] = Object.keys(state).filter((entry) => !['step', 'mu_product', 'eta', 'mu'].includes(entry));
    t.is(state[key as string]?.dtype, 'float64');
    const { tensors } = torch.memory();
    torch.scope(() => optimizer.step());
    t.is(torch.memory().tensors, tensors, 'a step leaves no tensors behind');

    const saved = optimizer.stateDict();
    const bad = { ...saved, state: { 0: { ...saved.state[0], [key as string]: torch.zeros([2]) } } };
    t.throws(() => optimizer.loadStateDict(bad as optim.OptimizerState), { instanceOf: torch.ShapeError });
    state[key as string] = torch.zeros([1], { dtype: 'float64' });
    t.throws(() => optimizer.step(), { instanceOf: torch.ShapeError });
    p.grad = null;
    p.data = torch.zeros([5]);
    p.grad = torch.ones([5]);
    t.throws(() => optimizer.step(), { instanceOf: torch.ShapeError });
  });

  test(`${name}: bad settings are refused`, (t) => {
    const p = new nn.Parameter(torch.zeros([1]));
    const build = (options: object): AnyOptimizer => new (classes[name] as Make)([{ params: [p] }], options);
    t.throws(() => build({ lr: -1 }), {
      instanceOf: torch.ArgumentError,
      message: new RegExp(`${name}.*lr -1`),
    });
    if (name !== 'Rprop') t.throws(() => build({ weightDecay: NaN }), { message: /weightDecay NaN/ });
  });
}

test('states written and read as PyTorch files', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'optimizer-'));
  try {
    const name = 'NAdam decay';
    const expected = fixture.cases[name] as Case;
    const parameters = start();
    const optimizer = make(name, parameters);
    run(optimizer, parameters, 0, fixture.half);
    const scheduler = new optim.MultiStepLR(optimizer as optim.NAdam, [2, 2, 5]);
    const path = join(folder, 'training.pt');
    await savePytorch(path, {
      optimizer: optim.pytorchState(optimizer.stateDict()),
      scheduler: scheduler.stateDict(),
    });
    const checkpoint = await loadCheckpoint(path);
    const again = make(name, parameters);
    again.loadStateDict(optim.optimizerStateFrom(checkpoint, 'optimizer'));
    t.is((again.paramGroups[1] as unknown as { initialLr: number }).initialLr, 0.02);
    run(again, parameters, fixture.half, fixture.grads.length);
    parameters.forEach((p, i) => {
      t.true(distance(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-10);
    });
    const other = new optim.MultiStepLR(again as optim.NAdam, []);
    other.loadStateDict(checkpoint.metadata['scheduler'] as optim.SchedulerState);
    t.deepEqual(other.stateDict(), scheduler.stateDict());
    t.throws(() => optim.optimizerStateFrom(checkpoint, 'optimizers.0'), { message: /optimizers\.0/ });
    checkpoint.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('states of older versions: numbers for steps, None for momentum that has not begun', (t) => {
  const p = new nn.Parameter(torch.ones([2]));
  const adam = new optim.RAdam([p]);
  p.grad = torch.ones([2]);
  adam.step();
  const saved = adam.stateDict();
  adam.loadStateDict({ ...saved, state: { 0: { ...saved.state[0], step: 7 } } } as never);
  t.is(adam.state.get(p)?.['step']?.item(), 7);
  const sgd = new optim.SGD([p], { momentum: 0.9 });
  sgd.loadStateDict({
    state: { 0: { momentum_buffer: null } },
    param_groups: sgd.stateDict().param_groups,
  } as never);
  sgd.step();
  t.deepEqual(sgd.state.get(p)?.['momentum_buffer']?.tolist(), [1, 1]);
  t.throws(() => new optim.SGD([p], { nesterov: true }), { message: /nesterov/ });
});

test('settings of Rprop that make no sense are refused', (t) => {
  const p = new nn.Parameter(torch.zeros([1]));
  t.throws(() => new optim.Rprop([p], { etas: [1.2, 0.5] }), { message: /etas \[1\.2, 0\.5\]/ });
  t.throws(() => new optim.Rprop([p], { stepSizes: [1, 0.1] }), { message: /stepSizes/ });
});

test('Adagrad has state for parameters that come later', (t) => {
  const [a, b] = [new nn.Parameter(torch.zeros([2])), new nn.Parameter(torch.zeros([3]))];
  const optimizer = new optim.Adagrad([a], { initialAccumulatorValue: 0.5 });
  optimizer.addParamGroup({ params: [b] });
  t.deepEqual(optimizer.state.get(b)?.['sum']?.tolist(), [0.5, 0.5, 0.5]);
});
