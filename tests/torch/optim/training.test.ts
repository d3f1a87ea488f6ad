import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

function model(): nn.Sequential {
  torch.manualSeed(3);
  return new nn.Sequential(new nn.Conv2d(2, 3, 1), new nn.BatchNorm2d(3));
}

const weightOf = (module: nn.Module): number[] =>
  [...module.stateDict().values()][0]?.flatten().tolist() as number[];

test('an exponential average fades old weights, a plain one does not', (t) => {
  for (const decay of [0.9, null]) {
    const m = model();
    const average = new optim.AveragedModel(m, { decay });
    const [first] = m.parameters() as [nn.Parameter];
    const seen: number[][] = [];
    for (let i = 0; i < 4; i++) {
      torch.noGrad(() => first.add_(1 + i));
      average.update();
      seen.push(weightOf(m));
    }
    const expected = seen.reduce((mean, values, i) =>
      mean.map((x, j) => x + ((values[j] as number) - x) * (decay === null ? 1 / (i + 1) : 1 - decay)),
    );
    const key = [...average.stateDict().keys()];
    t.deepEqual(key.slice(0, 2), ['n_averaged', 'module.0.weight']);
    t.is(average.nAveraged.item(), 4);
    const found = average.stateDict().get('module.0.weight')?.flatten().tolist() as number[];
    found.forEach((x, i) => t.true(Math.abs(x - (expected[i] as number)) < 1e-5));

    const own = weightOf(m);
    t.deepEqual(
      average.use(() => weightOf(m)),
      found,
    );
    t.deepEqual(weightOf(m), own);
    t.throws(
      () =>
        average.use(() => {
          throw new Error('inside');
        }),
      { message: 'inside' },
    );
    t.deepEqual(weightOf(m), own);
    const other = model();
    average.copyTo(other);
    t.deepEqual(weightOf(other), found);
    const again = new optim.AveragedModel(other, { decay });
    again.loadStateDict(average.stateDict());
    t.is(again.nAveraged.item(), 4);
  }
});

test('averages: buffers, memory, mistakes', (t) => {
  const m = model();
  const average = new optim.ExponentialMovingAverage(m, { decay: 0.5, useBuffers: true });
  m.forward(torch.ones([2, 2, 2, 2]));
  average.update();
  const { tensors } = torch.memory();
  m.to('float64');
  average.update();
  t.is(torch.memory().tensors, tensors);
  const mean = average.stateDict().get('module.1.num_batches_tracked');
  t.is(mean?.item(), 1);
  t.is(average.stateDict().get('module.0.weight')?.dtype, 'float64');
  t.throws(() => new optim.ExponentialMovingAverage(m, { decay: 2 }), { message: /decay/ });
});

test('a disposed optimizer has given its state back, and begins anew', (t) => {
  const weight = new nn.Parameter(torch.ones([3]));
  weight.grad = torch.ones([3]);
  const before = torch.memory().tensors;
  const optimizer = new optim.Adam([weight], { lr: 0.1 });
  optimizer.step();
  t.true(torch.memory().tensors > before);
  optimizer.dispose();
  t.is(torch.memory().tensors, before);
  optimizer.step();
  t.is(optimizer.state.get(weight)!['step']!.item(), 1);
});
