import test from 'ava';
import * as torch from '../../../src/torch/index.js';

test('backward accumulates into the leaves', (t) => {
  const x = torch.tensor([1, 2], { requiresGrad: true });
  t.is(x.grad, null);
  x.mul(x).sum().backward();
  x.mul(x).sum().backward();
  t.deepEqual(x.grad!.tolist(), [4, 8]);
  x.grad = null;
  t.is(x.grad, null);
  x.grad = torch.ones([2]);
  t.deepEqual(x.grad.tolist(), [1, 1]);
  t.throws(() => (x.grad = torch.ones([3])), { instanceOf: torch.ShapeError });
});

test('backward takes the gradient of a result with several elements', (t) => {
  const x = torch.tensor([1, 2], { requiresGrad: true });
  t.throws(() => x.mul(2).backward(), { instanceOf: torch.AutogradError });
  x.mul(2).backward(torch.tensor([1, 10]));
  t.deepEqual(x.grad!.tolist(), [2, 20]);
});

test('a graph is freed by backward unless it is retained', (t) => {
  const x = torch.tensor([2], { requiresGrad: true });
  const y = x.mul(x).sum();
  y.backward(null, { retainGraph: true });
  y.backward();
  t.deepEqual(x.grad!.tolist(), [8]);
  t.throws(() => y.backward(), { instanceOf: torch.AutogradError });
});

test('grad leaves .grad alone and takes gradients, graphs and unused inputs', (t) => {
  const x = torch.tensor([3], { requiresGrad: true });
  const unused = torch.tensor([1], { requiresGrad: true });
  const y = x.pow(3);
  const [first] = torch.grad([y], [x], { gradOutputs: [torch.tensor([2])], createGraph: true });
  t.deepEqual(first!.tolist(), [54]);
  const [second] = torch.grad([first!], [x]);
  t.deepEqual(second!.tolist(), [36]);
  t.is(x.grad, null);
  t.throws(() => torch.grad([x.mul(2)], [unused]), { instanceOf: torch.AutogradError });
  t.deepEqual(torch.grad([x.mul(2)], [unused], { allowUnused: true }), [null]);
});

test('noGrad and enableGrad hold for their function only', (t) => {
  const x = torch.tensor([1], { requiresGrad: true });
  t.false(torch.noGrad(() => x.mul(2)).requiresGrad);
  t.true(torch.noGrad(() => torch.enableGrad(() => x.mul(2))).requiresGrad);
  t.throws(
    () =>
      torch.noGrad(() => {
        throw new Error('mine');
      }),
    { message: 'mine' },
  );
  t.true(torch.isGradEnabled());
  t.throws(() => torch.noGrad(async () => 1), { instanceOf: TypeError });
  t.true(torch.isGradEnabled());
});

test('only leaves of floating point can be asked for gradients', (t) => {
  t.throws(() => torch.tensor([1n]).requiresGrad_(), { instanceOf: torch.DTypeError });
  const y = torch.ones([1], { requiresGrad: true }).mul(2);
  t.false(y.isLeaf);
  t.throws(() => y.requiresGrad_(false), { instanceOf: torch.TorchError });
  t.false(y.detach().requiresGrad);
});

test('guards hold for their block', (t) => {
  {
    using _off = torch.noGrad();
    t.false(torch.isGradEnabled());
    {
      using _on = torch.enableGrad();
      t.true(torch.isGradEnabled());
    }
    t.false(torch.isGradEnabled());
  }
  t.true(torch.isGradEnabled());
});

test('gradcheck agrees with right gradients and names wrong ones', (t) => {
  torch.manualSeed(0);
  const a = torch.randn([2, 3], { dtype: 'float64', requiresGrad: true });
  const b = torch.randn([3, 2], { dtype: 'float64', requiresGrad: true });
  t.true(torch.gradcheck((x, y) => [x.matmul(y).tanh(), x.exp().sum()], [a, b]));
  const wrong = torch.customFunction({
    forward: (_, x: torch.Tensor) => x.mul(2),
    backward: (_, gradient) => gradient.mul(3),
  });
  t.throws(() => torch.gradcheck(wrong, [a]), {
    instanceOf: torch.AutogradError,
    message: /output 0, element 0, by input 0, element 0, is 3; finite differences give (2|1\.99)/,
  });
  t.throws(() => torch.gradcheck((x) => x, [torch.ones([1], { requiresGrad: true })]), {
    instanceOf: torch.ArgumentError,
  });
});

test('a checkpointed function gives the same gradients, dropout included, and holds less', (t) => {
  const weight = torch.randn([64, 64], { requiresGrad: true });
  const x = torch.randn([64, 64], { requiresGrad: true });
  const layers = (h: torch.Tensor) => {
    for (let i = 0; i < 8; i++) h = torch.dropout(h.matmul(weight).tanh(), 0.3, true);
    return h;
  };
  const run = (forward: () => torch.Tensor) => {
    torch.manualSeed(1);
    weight.grad = x.grad = null;
    return torch.scope(() => {
      const before = torch.memory().bytes['cpu']!;
      const output = torch.scope(() => forward().sum());
      const held = torch.memory().bytes['cpu']! - before;
      output.backward();
      return { held, value: output.item(), gradients: [weight.grad!.tolist(), x.grad!.tolist()] };
    });
  };
  const plain = run(() => layers(x));
  const saved = run(() => torch.checkpoint(layers, [x], [weight]));
  t.is(saved.value, plain.value);
  t.deepEqual(saved.gradients, plain.gradients);
  t.true(saved.held < plain.held / 4, `${saved.held} against ${plain.held}`);
});
