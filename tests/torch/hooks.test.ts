import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';

const square = torch.customFunction({
  name: 'square',
  forward(context, x: Tensor) {
    context.saveForBackward(x);
    return x.mul(x);
  },
  backward({ savedTensors: [x] }, gradient) {
    return gradient.mul(x!).mul(2);
  },
});

test('a hook sees the gradient and may replace it', (t) => {
  const x = torch.tensor([1, 2], { requiresGrad: true });
  const y = x.mul(3);
  const seen: unknown[] = [];
  const looking = y.registerHook((gradient) => void seen.push(gradient.tolist()));
  const doubling = y.registerHook((gradient) => gradient.mul(2));
  y.sum().backward(null, { retainGraph: true });
  t.deepEqual(seen, [[1, 1]]);
  t.deepEqual(x.grad!.tolist(), [6, 6]);
  looking.remove();
  doubling.remove();
  x.grad = null;
  y.sum().backward();
  t.deepEqual((x.grad as Tensor | null)!.tolist(), [3, 3]);
  t.is(seen.length, 1);
});

test('an error in a hook ends the pass and comes out as it was', (t) => {
  const x = torch.tensor([1], { requiresGrad: true });
  const y = x.mul(2);
  class Mine extends Error {}
  y.registerHook(() => {
    throw new Mine('mine');
  });
  t.throws(() => y.backward(), { instanceOf: Mine, message: 'mine' });
  t.is(x.add(1).item(), 2);
  t.throws(() => x.registerHook(null as never), { instanceOf: torch.ArgumentError });
});

test('tensors made in a hook end with it', (t) => {
  const x = torch.tensor([1], { requiresGrad: true });
  let made!: Tensor;
  x.registerHook((gradient) => (made = gradient.mul(5)));
  x.mul(2).backward();
  t.true(made.disposed);
  t.deepEqual(x.grad!.tolist(), [10]);
});

test('a function with its own gradient joins the graph', (t) => {
  const x = torch.tensor([3], { requiresGrad: true });
  const y = square(x.mul(2));
  t.true(y.requiresGrad);
  t.is(y.item(), 36);
  y.backward();
  t.deepEqual(x.grad!.tolist(), [24]);
  t.false(square(torch.tensor([3])).requiresGrad);
  t.false(torch.noGrad(() => square(x)).requiresGrad);
});

test('gradients of its gradient follow where the graph is created', (t) => {
  const x = torch.tensor([3], { requiresGrad: true });
  const [first] = torch.grad([square(x)], [x], { createGraph: true });
  const [second] = torch.grad([first!], [x]);
  t.is(second!.item(), 2);
});

test('several tensors, other arguments, saved outputs, results without a use', (t) => {
  const f = torch.customFunction({
    forward(context, a: Tensor, factor: number, b: Tensor) {
      const product = a.mul(b).mul(factor);
      const sum = a.add(b);
      context.values.set('factor', factor);
      context.saveForBackward(a, b, product);
      return [product, sum];
    },
    backward({ savedTensors: [a, b, product], values, needsInputGrad }, ofProduct, ofSum) {
      const factor = values.get('factor') as number;
      t.is(product!.item(), 24);
      t.is(ofSum.item(), 0);
      t.deepEqual(needsInputGrad, [true, false]);
      return [ofProduct.mul(b!).mul(factor), ofProduct.mul(a!).mul(factor)];
    },
  });
  const a = torch.tensor(2, { requiresGrad: true });
  const [product] = f(a, 4, torch.tensor(3)) as [Tensor, Tensor];
  product.backward();
  t.is(a.grad!.item(), 12);
});

test('what is saved is freed by backward, and a graph that is dropped frees its function', (t) => {
  const before = torch.memory().tensors;
  torch.scope(() => {
    const x = torch.ones([1000], { requiresGrad: true });
    const y = square(x).sum();
    y.backward();
    t.throws(() => y.backward(), { instanceOf: torch.AutogradError });
    for (let i = 0; i < 100; i++) square(x);
  });
  t.is(torch.memory().tensors, before);
});

test('mistakes in a definition are named', (t) => {
  const x = torch.tensor([1], { requiresGrad: true });
  const same = torch.customFunction({ name: 'same', forward: (_, a: Tensor) => a, backward: (_, g) => g });
  t.throws(() => same(x), {
    instanceOf: torch.ArgumentError,
    message: /same: forward returned a tensor that it did not create/,
  });
  const few = torch.customFunction({ name: 'few', forward: (_, a: Tensor) => a.mul(1), backward: () => [] });
  t.throws(() => few(x).backward(), {
    instanceOf: torch.ArgumentError,
    message: /few: backward returned 0 gradients/,
  });
  const misshapen = torch.customFunction({
    name: 'misshapen',
    forward: (_, a: Tensor) => a.mul(1),
    backward: () => torch.ones([5]),
  });
  t.throws(
    () =>
      misshapen(torch.ones([3], { requiresGrad: true }))
        .sum()
        .backward(),
    { instanceOf: torch.TorchError },
  );
});

/** A custom function whose backward runs a backward pass of its own, `depth` times over. Its gradient is 2. */
function nestedFunction(depth: number): number {
  const f = torch.customFunction({
    name: 'nested',
    forward: (_, x: Tensor) => x.mul(2),
    backward: (_, gradient) =>
      gradient.mul(depth === 0 ? 2 : torch.enableGrad(() => nestedFunction(depth - 1))),
  });
  const x = torch.ones([1], { requiresGrad: true });
  f(x).backward();
  return x.grad!.item();
}

/** The same with hooks, of which each takes half of the gradient away that the pass inside it found. */
function nestedHook(depth: number): number {
  const x = torch.ones([1], { requiresGrad: true });
  x.registerHook((gradient) => {
    return depth === 0 ? gradient : gradient.mul(torch.enableGrad(() => nestedHook(depth - 1)) / 2);
  });
  x.mul(2).backward();
  return x.grad!.item();
}

for (const [what, nested] of [
  ['custom functions', nestedFunction],
  ['hooks', nestedHook],
] as const) {
  test(`${what} nested a hundred deep give right gradients or a TorchError`, (t) => {
    for (const depth of [0, 5, 30, 60]) t.is(nested(depth), 2, String(depth));
    for (const depth of [61, 100, 300]) {
      // The engine would go on in another thread there, which JavaScript cannot.
      const error = t.throws(() => nested(depth), { instanceOf: torch.AutogradError });
      t.regex(error.message, /nested more than 60 deep/);
    }
    t.is(nested(1), 2);
  });
}

test('what a nested pass held is freed though it failed', (t) => {
  torch.expectNoLeaks(() => {
    t.throws(() => nestedFunction(100), { instanceOf: torch.AutogradError });
    t.throws(() => nestedHook(100), { instanceOf: torch.AutogradError });
  });
});

test('anomaly detection names the operator that gave nan', (t) => {
  const x = torch.tensor([-1], { requiresGrad: true });
  const error = t.throws(() => torch.detectAnomaly(() => x.sqrt().sum().backward()), {
    instanceOf: torch.TorchError,
  });
  t.regex(error.message, /SqrtBackward0/);
});
