import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';

const work = () =>
  torch.scope(() =>
    torch
      .ones([8, 8])
      .matmul(torch.ones([8, 8]))
      .sum()
      .item(),
  );

test.serial('work in a scope leaves nothing behind, and its result comes through', async (t) => {
  t.is(
    torch.expectNoLeaks(() => work()),
    512,
  );
  t.is(
    await torch.expectNoLeaks(async () => {
      await Promise.resolve();
      return work();
    }),
    512,
  );
});

test.serial('tensors without a scope are none where nothing refers to them', (t) => {
  torch.expectNoLeaks(() => {
    for (let i = 0; i < 100; i++) torch.ones([1000]).add(i);
  });
  t.pass();
});

test.serial('tensors in the result belong to the caller', (t) => {
  const { sum, parts } = torch.expectNoLeaks(() =>
    torch.scope(() => {
      const x = torch.ones([4]);
      return { sum: x.sum(), parts: [x.add(1)] };
    }),
  );
  t.is(sum.item(), 4);
  t.deepEqual(parts[0]!.tolist(), [2, 2, 2, 2]);
});

test.serial('tensors that stay reachable are counted and described', async (t) => {
  const cache: Tensor[] = [];
  const remember = () => {
    for (let i = 0; i < 3; i++) cache.push(torch.keep(torch.ones([2, 3])));
    cache.push(torch.keep(torch.tensor([1n])));
  };
  const error = t.throws(() => torch.expectNoLeaks(remember), { instanceOf: torch.LeakError });
  t.true(error instanceof torch.TorchError);
  t.is(error.tensors, 4);
  t.regex(error.message, /^4 tensors are alive .*\n {2}3 × float32\[2, 3\]\n {2}1 × int64\[1\]\n/);
  const later = await t.throwsAsync(torch.expectNoLeaks(async () => remember()));
  t.is((later as torch.LeakError).tensors, 4);
  // What was there before does not count.
  torch.expectNoLeaks(() => torch.dispose(cache));
});

test.serial('an error in the function comes out as it was', async (t) => {
  const fail = () => {
    throw new Error('mine');
  };
  t.throws(() => torch.expectNoLeaks(fail), { message: 'mine' });
  await t.throwsAsync(
    torch.expectNoLeaks(async () => fail()),
    { message: 'mine' },
  );
});

test.serial('a training step leaves nothing behind once the optimizer has its state', (t) => {
  const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 1));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
  const step = () =>
    torch.scope(() => {
      optimizer.zeroGrad();
      model
        .forward(torch.ones([2, 4]))
        .sum()
        .backward();
      optimizer.step();
    });
  t.throws(() => torch.expectNoLeaks(step), { instanceOf: torch.LeakError });
  for (let i = 0; i < 3; i++) torch.expectNoLeaks(step);
});

test.serial('hooks and functions with their own gradient keep no tensor alive, run or not', (t) => {
  const double = torch.customFunction({
    forward: (_, x: Tensor) => x.mul(2),
    backward: (_, gradient) => gradient.mul(2),
  });
  for (const backward of [true, false]) {
    torch.expectNoLeaks(() => {
      const x = torch.ones([3], { requiresGrad: true });
      const y = double(x.mul(3)).sum();
      x.registerHook((gradient) => gradient.mul(2));
      y.registerHook(() => {});
      if (backward) y.backward();
    });
  }
  t.pass();
});
