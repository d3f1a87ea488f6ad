import test from 'ava';
import * as optim from '../../../src/torch/optim/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';
import { ClippedOptimizer } from '../../../src/training/engine/clipped-optimizer.js';
import { GuardedOptimizer, type GuardableOptimizer } from '../../../src/training/engine/guarded-optimizer.js';

type Make = (parameters: nn.Parameter[]) => GuardableOptimizer & { stateDict(): optim.OptimizerState };

const optimizers: Record<string, Make> = {
  Adam: (parameters) => new optim.Adam(parameters, { lr: 0.1, weightDecay: 0.1, amsgrad: true }),
  'capturable AdamW': (parameters) => new optim.AdamW(parameters, { lr: 0.1, capturable: true }),
  'Adam without its kernel': (parameters) => new optim.Adam(parameters, { lr: 0.1, fused: false }),
  'SGD with momentum': (parameters) => new optim.SGD(parameters, { lr: 0.1, momentum: 0.9 }),
  NAdam: (parameters) => new optim.NAdam(parameters, { lr: 0.1 }),
  Rprop: (parameters) => new optim.Rprop(parameters, { lr: 0.1 }),
};

type Multiples = [number, number][];

/** Steps of a layer by gradients that are multiples of one, the weight's and the bias's. */
function train(make: Make, multiples: Multiples, guard: 'skip' | 'note' | null) {
  torch.manualSeed(2);
  const layer = new nn.Linear(3, 2);
  const optimizer = make(layer.parameters());
  const stepper = guard === null ? optimizer : new GuardedOptimizer(optimizer, { skip: guard === 'skip' });
  for (const factors of multiples) {
    layer.parameters().forEach((parameter, i) => {
      parameter.grad = torch
        .arange(1, parameter.numel() + 1, { dtype: 'float32' })
        .reshape(parameter.shape)
        .mul(factors[i]!);
    });
    stepper.step();
  }
  const finite = stepper instanceof GuardedOptimizer ? stepper.finite.tolist() : [];
  const { state, param_groups: groups } = optimizer.stateDict();
  const entries = Object.values(state).flatMap((entry) =>
    Object.entries(entry).map(([key, tensor]) => [key, tensor.tolist()] as const),
  );
  return { weights: layer.parameters().map((parameter) => parameter.tolist()), entries, groups, finite };
}

for (const [name, make] of Object.entries(optimizers)) {
  test(`a skipped step leaves weights and state as if it had not been taken: ${name}`, (t) => {
    torch.scope(() => {
      const good: Multiples = [
        [1, 1],
        [-2, 3],
      ];
      const bads: Multiples = [
        [NaN, 1],
        [2, -Infinity],
      ];
      const { finite: _, ...expected } = train(make, good, null);
      for (const bad of bads) {
        for (const at of [0, 1, 2]) {
          const { finite, ...actual } = train(make, good.toSpliced(at, 0, bad), 'skip');
          t.deepEqual(actual, expected, `${String(bad)} at ${at}`);
          if (at === 2) t.deepEqual(finite, bad.map(Number.isFinite));
        }
      }
      t.notDeepEqual(train(make, [...good, [1, 1]], 'skip').weights, expected.weights);
      const noted = train(make, [...good, [NaN, 1]], 'note');
      t.deepEqual(noted.finite, [false, true]);
      t.notDeepEqual(noted.weights, expected.weights, 'without skip the step is taken');
    });
  });
}

test('gradients are looked at before they are clipped, and what is missing is finite', (t) => {
  const parameters = [new nn.Parameter(torch.zeros([2])), new nn.Parameter(torch.zeros([1]))];
  const optimizer = new optim.SGD(parameters, { lr: 1 });
  const guarded = new GuardedOptimizer(optimizer, { inner: new ClippedOptimizer(optimizer, 1), skip: true });
  parameters[1]!.grad = torch.tensor([Infinity]); // clipped to NaN
  guarded.step();
  t.deepEqual(guarded.finite.tolist(), [true, false]);
  t.deepEqual(parameters[1]!.tolist(), [0]);
  parameters[1]!.grad = torch.tensor([2]);
  guarded.step();
  t.true(Math.abs((parameters[1]!.tolist() as number[])[0]! + 1) < 1e-5);
});
