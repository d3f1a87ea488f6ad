import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { ClippedOptimizer } from '../../../src/training/engine/clipped-optimizer.js';

test('a step scales all gradients to the norm, and keeps what it was', (t) => {
  const parameters = [new nn.Parameter(torch.zeros([2])), new nn.Parameter(torch.zeros([1]))];
  const optimizer = new ClippedOptimizer(new optim.SGD(parameters, { lr: 1 }), 6.5);
  const steps: [first: number[], second: number[], norm: number, moved: number[][]][] = [
    [[3, 4], [12], 13, [[-1.5, -2], [-6]]],
    [[0.5, 0], [0], 0.5, [[-2, -2], [-6]]],
  ];
  for (const [first, second, norm, moved] of steps) {
    optimizer.zeroGrad();
    [first, second].forEach((gradient, i) => (parameters[i]!.grad = torch.tensor(gradient)));
    optimizer.step();
    t.is(optimizer.norm.item(), norm);
    parameters.forEach((parameter, i) =>
      (parameter.tolist() as number[]).forEach((value, j) => t.true(Math.abs(value - moved[i]![j]!) < 1e-5)),
    );
  }
  optimizer.dispose();
});

test('a step leaves no tensors behind, and only a positive norm is taken', (t) => {
  const parameter = new nn.Parameter(torch.zeros([2]));
  const optimizer = new ClippedOptimizer(new optim.SGD([parameter], { lr: 1 }), 1);
  const { tensors } = torch.memory();
  torch.scope(() => {
    parameter.grad = torch.ones([2]);
    optimizer.step();
    optimizer.zeroGrad();
  });
  t.is(torch.memory().tensors, tensors);
  t.throws(() => new ClippedOptimizer(new optim.SGD([parameter], { lr: 1 }), 0), { instanceOf: RangeError });
});
