import { inspect } from 'node:util';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

test('backward hooks see the gradients of inputs and outputs', (t) => {
  const layer = new nn.Linear(2, 2, { bias: false });
  torch.noGrad(() => layer.weight.copy_(torch.tensor([[1, 2], [3, 4]]))); // prettier-ignore
  const seen: unknown[] = [];
  const before = layer.registerFullBackwardPreHook((module, gradOutput) => {
    seen.push(['pre', module === layer, gradOutput.map((g) => g?.tolist())]);
  });
  const after = layer.registerFullBackwardHook((module, gradInput, gradOutput) => {
    seen.push([module === layer, gradInput.map((g) => g?.tolist()), gradOutput.map((g) => g?.tolist())]);
  });
  const x = torch.tensor([1, 1], { requiresGrad: true });
  layer
    .forward(x)
    .mul(torch.tensor([1, 10]))
    .sum()
    .backward();
  t.deepEqual(seen, [
    ['pre', true, [[1, 10]]],
    [true, [[31, 42]], [[1, 10]]],
  ]);
  t.deepEqual(layer.weight.grad?.tolist(), [[1, 1], [10, 10]]); // prettier-ignore

  seen.length = 0;
  layer
    .forward(torch.ones([2]))
    .sum()
    .backward();
  t.deepEqual(seen[1], [true, [undefined], [[1, 1]]], 'no input to be learnt');
  before.remove();
  after.remove();
  seen.length = 0;
  torch.noGrad(() => layer.forward(x));
  layer.forward(x).sum().backward();
  t.deepEqual(seen, []);
});

test('backward hooks replace gradients, or are refused', (t) => {
  const layer = new nn.Identity();
  const x = torch.tensor([1, 2], { requiresGrad: true });
  const pre = layer.registerFullBackwardPreHook((_, [g]) => [(g as Tensor).mul(10)]);
  const post = layer.registerFullBackwardHook((_, [g]) => [(g as Tensor).add(1)]);
  layer.forward(x).sum().backward();
  t.deepEqual(x.grad?.tolist(), [11, 11]);
  pre.remove();
  post.remove();
  layer.registerFullBackwardHook(() => []);
  t.throws(() => layer.forward(x).sum().backward(), { message: /array of 1 gradients/ });
});

test('backward hooks of modules with several inputs and outputs', (t) => {
  class Two extends nn.Module {
    override forward(a: Tensor, factor: number, b: Tensor): Tensor[] {
      return [a.mul(factor), a.mul(b)];
    }
  }
  const module = new Two();
  const seen: unknown[] = [];
  module.registerFullBackwardHook((_, gradInput, gradOutput) => {
    seen.push([gradInput, gradOutput].map((list) => list.map((g) => g?.tolist() ?? null)));
  });
  const a = torch.tensor([2], { requiresGrad: true });
  const [p, q] = module.forward(a, 3, torch.tensor([5])) as [Tensor, Tensor];
  p.add(q.mul(2)).sum().backward();
  t.deepEqual(seen, [
    [
      [[13], null],
      [[1], [2]],
    ],
  ]);
});

test('weights computed from others', (t) => {
  const layer = nn.weightNorm(new nn.Linear(3, 2));
  t.true(nn.isParametrized(layer, 'weight'));
  t.false(nn.isParametrized(layer, 'bias'));
  const keys = ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1'];
  t.deepEqual(
    layer.namedParameters().map(([key]) => key),
    keys,
  );
  const x = torch.ones([1, 3]);
  layer.forward(x).sum().backward();
  t.true(layer.parameters().every((parameter) => parameter.grad !== null));
  const wanted = torch.tensor([[1, 2, 2], [0, 3, 4]]); // prettier-ignore
  layer.weight = wanted;
  t.true(layer.weight.allclose(wanted));
  const [, length] = layer.parameters() as [nn.Parameter, nn.Parameter];
  t.deepEqual(length.flatten().tolist(), [3, 5]);
  const { tensors } = torch.memory();
  torch.scope(() => {
    layer.forward(x);
  });
  t.is(torch.memory().tensors, tensors);
  t.throws(() => nn.weightNorm(layer), { message: /already/ });
  nn.removeParametrization(layer, 'weight');
  t.deepEqual([...layer.stateDict().keys()].sort(), ['bias', 'weight']);
  t.true(layer.weight.allclose(wanted));
  t.is(String(layer), 'Linear(in_features=3, out_features=2, bias=True)');
  t.throws(() => nn.removeParametrization(layer, 'weight'), { message: /no parametrization/ });
  t.throws(() => nn.weightNorm(layer, 'x'), { message: /'x'/ });
  t.throws(() => nn.spectralNorm(layer, 'x'), { message: /'x'/ });
  class Cut extends nn.Parametrization {
    override forward(w: Tensor): Tensor {
      return w.narrow(0, 0, 1);
    }
    override rightInverse(w: Tensor): Tensor {
      return w.clone();
    }
  }
  t.throws(() => nn.registerParametrization(layer, 'weight', new Cut()), { instanceOf: torch.ShapeError });
});

test('spectral norm bounds the largest singular value, and stays put in evaluation', (t) => {
  const layer = nn.spectralNorm(new nn.Linear(6, 4));
  for (let i = 0; i < 20; i++) layer.forward(torch.ones([1, 6]));
  const largest = torch.linalgSvdvals(layer.weight).max().item();
  t.true(Math.abs(largest - 1) < 1e-3);
  layer.eval();
  const state = [...layer.stateDict()].map(([, tensor]) => tensor.tolist());
  layer.forward(torch.ones([1, 6]));
  t.deepEqual(
    [...layer.stateDict()].map(([, tensor]) => tensor.tolist()),
    state,
  );
});

test('lists and dictionaries of parameters', (t) => {
  const p = (n: number): nn.Parameter => new nn.Parameter(torch.full([n], n));
  const list = new nn.ParameterList([p(1)]).push(p(2));
  t.deepEqual([...list.stateDict().keys()], ['0', '1']);
  t.is(list.get(-1).numel(), 2);
  t.is(list.length, [...list].length);
  t.throws(() => list.get(2), { message: /2 parameters/ });
  const named = new nn.ParameterDict({ a: p(1) }).set('b', p(3));
  t.deepEqual([...named.stateDict().keys()], ['a', 'b']);
  t.true(named.has('b'));
  t.is(named.size, [...named].length);
  t.throws(() => named.get('c'), { message: /only a, b/ });
  t.is(
    String(list),
    'ParameterList(\n  (0): Parameter containing: [torch.float32 of size 1]\n' +
      '  (1): Parameter containing: [torch.float32 of size 2]\n)',
  );
});

test('a summary counts parameters', (t) => {
  const shared = new nn.Linear(3, 3);
  const model = new nn.Sequential(shared, new nn.BatchNorm1d(3), shared, new nn.PReLU());
  shared.requiresGrad_(false);
  const counts = nn.summary(model);
  t.is(counts.parameters, 12 + 6 + 1);
  t.is(counts.trainable, 7);
  t.is(counts.buffers, 7);
  t.is(counts.bytes, (19 + 6) * 4 + 8);
  t.deepEqual(
    counts.rows.map(({ type, parameters }) => [type, parameters]),
    [
      ['Sequential', 0],
      ['Linear', 12],
      ['BatchNorm1d', 6],
      ['PReLU', 1],
    ],
  );
  t.regex(String(counts), /0: Linear +12\n/);
  t.regex(String(counts), /parameters: 19, trainable: 7/);
  t.is(inspect(model), String(model));
});

test("clipping is PyTorch's", (t) => {
  const [a, b, c] = [torch.zeros([2]), torch.zeros([1], { dtype: 'float64' }), torch.zeros([1])].map(
    (values) => new nn.Parameter(values),
  ) as [nn.Parameter, nn.Parameter, nn.Parameter];
  const set = (): void => {
    a.grad = torch.tensor([3, -4]);
    b.grad = torch.tensor([12], { dtype: 'float64' });
  };
  const close = (found: unknown, wanted: number[]): void => {
    [found].flat().forEach((x, i) => t.true(Math.abs((x as number) - (wanted[i] as number)) < 1e-5));
  };
  set();
  close(nn.clipGradNorm_([a, b, c], 1.3).item(), [13]);
  close(a.grad?.tolist(), [0.3, -0.4]);
  close(b.grad?.tolist(), [1.2]);
  set();
  close(nn.clipGradNorm_([a, b], 6, { normType: Infinity }).item(), [12]);
  close(a.grad?.tolist(), [1.5, -2]);
  set();
  nn.clipGradNorm_([a, b], 100);
  close(a.grad?.tolist(), [3, -4]);
  nn.clipGradValue_([a, b, c], 3.5);
  close(a.grad?.tolist(), [3, -3.5]);
  close(b.grad?.tolist(), [3.5]);
  close(nn.clipGradNorm_(c, 1).item(), [0]);
  a.grad = torch.tensor([NaN, 1]);
  t.throws(() => nn.clipGradNorm_(a, 1, { errorIfNonfinite: true }), { message: /NaN/ });
  close(a.grad?.select(0, 1).item(), [1]);
});
