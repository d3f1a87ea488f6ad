import test from 'ava';
import * as optim from '../../../src/torch/optim/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';
import { FiniteCheck } from '../../../src/training/engine/finite-check.js';

/** A layer under a check; `step` takes one with this loss and these gradients of weight and bias. */
function made(policy: 'stop' | 'skip') {
  const layer = new nn.Linear(1, 1);
  const check = new FiniteCheck(policy);
  const average = torch.keep(torch.zeros([]));
  const names = ['first.weight', 'first.bias'];
  const optimizer = check.guard(new optim.Adam(layer.parameters()), names);
  check.protect([average]);
  let steps = 0;
  const step = (loss: number, weight = 1, bias = 1) =>
    torch.scope(() => {
      check.around(++steps, () => {
        layer.weight.grad = torch.full([1, 1], weight);
        layer.bias!.grad = torch.full([1], bias);
        optimizer.step();
        average.add_(loss);
        return { rec: torch.tensor(1), gan: torch.tensor(loss), factor: NaN };
      });
    });
  return { check, layer, average, step };
}

test('the first tensor that is not finite is named with its step, whatever follows', (t) => {
  const { check, step } = made('stop');
  t.is(check.report(), null);
  step(1);
  t.is(check.report(), null);
  step(1);
  step(1, 1, NaN);
  step(NaN);
  step(1, NaN);
  step(1);
  t.deepEqual(check.report(), {
    what: 'the gradient of first.bias is NaN or infinite at step 3',
    count: 3,
    inRow: 0,
  });
  t.is(check.report(), null, 'each report begins again');
  step(Infinity, NaN);
  t.like(check.report(), { what: 'the loss "gan" is NaN or infinite at step 7', inRow: 1 });
  step(1, -Infinity, NaN);
  t.like(check.report(), {
    what: 'the gradient of first.weight is NaN or infinite at step 8',
    count: 1,
    inRow: 2,
  });
});

test('a skipped step also puts back what steps change besides optimizers', (t) => {
  const { check, average, layer, step } = made('skip');
  step(2);
  const weights = layer.parameters().map((parameter) => parameter.tolist());
  step(NaN, NaN, NaN);
  step(1, NaN);
  t.is(average.item(), 2);
  t.deepEqual(
    layer.parameters().map((parameter) => parameter.tolist()),
    weights,
  );
  t.like(check.report(), { count: 2, inRow: 2 });
  step(3);
  t.is(average.item(), 5);
  const { average: spoilt, step: stopped } = made('stop');
  stopped(NaN);
  t.true(Number.isNaN(spoilt.item()), 'only a skipped one');
});

test('steps leave no tensors behind', (t) => {
  const { check, step } = made('skip');
  step(1);
  const { tensors } = torch.memory();
  step(NaN);
  step(1, NaN);
  check.report();
  t.is(torch.memory().tensors, tensors);
});
