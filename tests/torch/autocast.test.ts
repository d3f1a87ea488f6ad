import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as F from '../../src/torch/nn/functional.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';

const x = torch.linspace(-1, 1, 32).view([4, 8]);
const square = torch.linspace(-2, 1, 64).view([8, 8]);
const image = torch.linspace(-1, 2, 288).view([2, 4, 6, 6]);
const kernel = torch.linspace(-1, 1, 144).view([4, 4, 3, 3]);
const query = torch.linspace(-1, 1, 40).view([1, 2, 5, 4]);
const low = () => x.matmul(square);

// What PyTorch 2.13 gives on the CPU, with either dtype.
const results: [name: string, is16Bit: boolean, make: () => Tensor][] = [
  ['matmul', true, low],
  ['linear', true, () => F.linear(x, square)],
  ['conv2d', true, () => F.conv2d(image, kernel)],
  ['scaled dot product attention', true, () => F.scaledDotProductAttention(query, query, query)],
  ['softmax of a product', true, () => F.softmax(low(), -1)],
  ['sum of a product', true, () => low().sum()],
  ['gelu of a product', true, () => F.gelu(low())],
  ['layer norm', false, () => F.layerNorm(x, [8])],
  ['group norm', false, () => F.groupNorm(image, 2)],
  ['loss', false, () => F.mseLoss(low(), x)],
  ['a product added to float32', false, () => x.add(low())],
  ['a product beside float32', false, () => torch.cat([x, low()])],
];

for (const dtype of ['bfloat16', 'float16'] as const) {
  for (const [name, is16Bit, make] of results) {
    test(`autocast, ${dtype}: ${name}`, (t) => {
      t.is(make().dtype, 'float32');
      const result = torch.autocast('cpu', { dtype }, make);
      t.is(result.dtype, is16Bit ? dtype : 'float32');
      const right = make();
      const apart = result.float().sub(right).abs().max().item() / right.abs().max().item();
      t.true(apart < (dtype === 'bfloat16' ? 3e-2 : 4e-3), `${apart}`);
    });
  }
}

test('the default is bfloat16 on the CPU and float16 on CUDA; autocasts nest, and end with what throws', (t) => {
  t.is(torch.autocastDType('cpu'), null);
  t.false(torch.isAutocastEnabled('cpu'));
  torch.autocast('cuda:0', () => t.is(torch.autocastDType('cuda'), 'float16'));
  torch.autocast('cpu', () => {
    t.is(torch.autocastDType('cpu'), 'bfloat16');
    t.false(torch.isAutocastEnabled('cuda'));
    torch.autocast('cpu', { enabled: false }, () => {
      t.false(torch.isAutocastEnabled('cpu'));
      t.is(low().dtype, 'float32');
      torch.autocast('cpu', { dtype: 'float16' }, () => t.is(low().dtype, 'float16'));
      t.is(low().dtype, 'float32');
    });
    t.is(low().dtype, 'bfloat16');
  });
  t.throws(() => torch.autocast('cpu', () => low().view([3])), { instanceOf: torch.TorchError });
  t.is(low().dtype, 'float32');
  {
    using _ = torch.autocast('cpu');
    t.is(low().dtype, 'bfloat16');
  }
  t.is(low().dtype, 'float32');
});

test('training: weights and gradients are float32, and what was cast is not kept', (t) => {
  torch.manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(8, 32), new nn.GELU(), new nn.Linear(32, 1));
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
  const y = x.sum([1], true);
  const before = torch.memory().tensors;
  const losses = Array.from({ length: 60 }, () =>
    torch.scope(() => {
      optimizer.zeroGrad();
      const loss = torch.autocast('cpu', () => F.mseLoss(model.forward(x), y));
      loss.backward();
      for (const parameter of model.parameters()) t.is(parameter.grad!.dtype, 'float32');
      optimizer.step();
      return loss.item();
    }),
  );
  t.true(losses.at(-1)! < losses[0]! / 20, `${losses[0]} to ${losses.at(-1)}`);
  const held = 2 * 4 + 4; // moments, steps and gradients
  t.true(torch.memory().tensors <= before + held + 4);
  // The weights have changed since the first product: a cast that was kept would be an old one.
  const again = torch.autocast('cpu', () => model.forward(x));
  t.true(again.float().sub(model.forward(x)).abs().max().item() < 0.05);
});

test('what backward computes a second time, it computes under the autocast of the first', (t) => {
  const weight = torch.linspace(-2, 1, 64).view([8, 8]).requiresGrad_();
  const seen: unknown[] = [];
  const layer = (input: Tensor) => {
    seen.push(torch.autocastDType('cpu'));
    return input.matmul(weight).sin().matmul(weight);
  };
  for (const dtype of ['bfloat16', 'float16'] as const) {
    const gradient = (forward: () => Tensor) => {
      weight.grad = null;
      torch.autocast('cpu', { dtype }, forward).float().sum().backward();
      return weight.grad!.tolist();
    };
    const plain = gradient(() => layer(x));
    t.deepEqual(
      gradient(() => torch.checkpoint(layer, [x], [weight])),
      plain,
    );
    t.deepEqual(seen.splice(0), [dtype, dtype, dtype]);
  }
  const loss = torch.checkpoint(layer, [x], [weight]).sum();
  torch.autocast('cpu', () => loss.backward());
  t.deepEqual(seen, [null, null]);
});

test('other devices and dtypes, and functions that wait, are refused', async (t) => {
  t.throws(() => torch.autocast('meta', () => 1), { instanceOf: torch.ArgumentError, message: /not meta/ });
  t.throws(() => torch.autocast('cpu', { dtype: 'float32' as 'float16' }, () => 1), {
    instanceOf: torch.ArgumentError,
    message: /float16 or bfloat16, not float32/,
  });
  t.throws(() => torch.autocast('cpu', 3 as unknown as torch.AutocastOptions), {
    instanceOf: torch.ArgumentError,
  });
  t.throws(() => torch.autocast('cpu', () => Promise.resolve(1)), { message: /autocast.* cannot wait/ });
  t.false(torch.isAutocastEnabled('cpu'));
});
