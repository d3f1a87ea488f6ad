import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { MasterWeights } from '../../../src/training/engine/precision.js';
import { WeightAverage } from '../../../src/training/engine/weight-average.js';

test('updates keep min(decay, (1 + n) / (10 + n)) of the average, and copy what is not floating-point', (t) => {
  const weight = torch.tensor([1, 2], { dtype: 'float64' });
  const used = torch.tensor([3n]);
  const average = new WeightAverage(new Map([['weight', weight] as const, ['used', used]]), 0.25);
  const rates = [2 / 11, 0.25, 0.25];
  let expected = [1, 2];
  rates.forEach((kept, i) => {
    weight.fill_(10 * (i + 1));
    used.fill_(i);
    average.update(i + 1);
    expected = expected.map((value) => kept * value + (1 - kept) * 10 * (i + 1));
    const found = average.weights.get('weight')!.tolist() as number[];
    found.forEach((value, j) => t.true(Math.abs(value - expected[j]!) < 1e-12));
    t.is(Number(average.weights.get('used')!.item()), i);
  });
  average.dispose();
  t.throws(() => new WeightAverage(new Map(), 1), { instanceOf: RangeError });
});

test.serial('the model has the averages while they are used, and its own weights after that', async (t) => {
  const network = new nn.Linear(2, 2, { bias: false });
  torch.noGrad(() => network.weight.fill_(1));
  const average = new WeightAverage(network.stateDict(), 0.5);
  torch.noGrad(() => network.weight.fill_(3));
  const output = () =>
    torch.scope(() =>
      network
        .forward(torch.ones([1, 2]))
        .sum()
        .item(),
    );
  const { tensors } = torch.memory();
  t.is(average.use(output), 4);
  t.is(output(), 12);
  t.is(await average.use(async () => (await Promise.resolve(), output())), 4);
  t.is(output(), 12);
  t.throws(() => average.use(missing), { message: 'missing' });
  await t.throwsAsync(async () => average.use(async () => missing()), { message: 'missing' });
  t.is(output(), 12);
  t.is(torch.memory().tensors, tensors);
});

function missing(): never {
  throw new Error('missing');
}

test('of a bfloat16 network the masters are averaged, and using the average leaves them alone', (t) => {
  const network = new nn.Linear(2, 2, { bias: false });
  const masters = new MasterWeights([network]);
  const [master] = masters.of([network.weight]) as [Tensor];
  torch.noGrad(() => master.fill_(1 + 2 ** -12)); // 1 in bfloat16
  const average = new WeightAverage(network.stateDict(), 0, masters);
  const stepper = masters.around([network.weight], new optim.SGD([master], { lr: 1 }));
  const step = () => {
    stepper.zeroGrad();
    network.weight.grad = torch.zeros([2, 2], { dtype: 'bfloat16' });
    stepper.step();
  };
  step();
  average.update(1);
  t.is(average.weights.get('weight')!.dtype, 'float32');
  t.is(average.weights.get('weight')!.max().item(), 1 + 2 ** -12);
  average.use(() => t.is(network.weight.dtype, 'bfloat16'));
  step();
  t.is(master.max().item(), 1 + 2 ** -12, 'bfloat16 did not replace it');
});
