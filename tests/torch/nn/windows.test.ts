import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

test('maxima go back to where they came from', (t) => {
  const x = torch.tensor([[[5, 1, 2, 9, 4]]]);
  const pool = new nn.MaxPool1d(2);
  const [values, indices] = pool.withIndices(x);
  t.deepEqual(values.tolist(), pool.forward(x).tolist());
  t.deepEqual(indices.tolist(), [[[0, 3]]]);
  const back = new nn.MaxUnpool1d(2);
  t.deepEqual(back.forward(values, indices).tolist(), [[[5, 0, 0, 9]]]);
  t.deepEqual(back.forward(values, indices, [1, 1, 5]).tolist(), [[[5, 0, 0, 9, 0]]]);
  t.throws(() => back.forward(values, indices, [7]), {
    instanceOf: torch.ShapeError,
    message: /\[7\] would not be pooled.*\[4\].*\[2\]/,
  });
  for (const [forth, backTo, shape] of [
    [new nn.MaxPool2d(2), new nn.MaxUnpool2d(2), [1, 2, 4, 6]],
    [new nn.MaxPool3d(2), new nn.MaxUnpool3d(2), [1, 2, 4, 2, 6]],
  ] as const) {
    const input = torch.rand([...shape]).add(1);
    const [maxima, places] = forth.withIndices(input);
    const restored = backTo.forward(maxima, places);
    t.deepEqual(restored.shape, [...shape]);
    // In float64 such sums are exact, whatever their order.
    t.is(restored.double().sum().item(), maxima.double().sum().item());
    t.true(restored.eq(input).bitwiseOr(restored.eq(0)).all().item());
  }
});

test('fold adds what unfold took apart, as often as windows cover it', (t) => {
  const x = torch.rand([2, 3, 4, 5]);
  const columns = F.unfold(x, 2);
  t.deepEqual(columns.shape, [2, 12, 12]);
  const covered = F.fold(F.unfold(x.onesLike(), 2), [4, 5], 2);
  t.deepEqual((covered.at(0, 0).tolist() as number[][])[1], [2, 4, 4, 4, 2]);
  t.true(F.fold(columns, [4, 5], 2).allclose(x.mul(covered)));
  t.throws(() => F.fold(columns, [9, 9], 2), { instanceOf: torch.TorchError });
});

test('random slopes are drawn in training, their middle is taken in evaluation', (t) => {
  const x = torch.full([200], -1);
  const layer = new nn.RReLU(0.1, 0.3);
  const drawn = layer.forward(x).tolist() as number[];
  t.true(new Set(drawn).size > 100 && drawn.every((value) => value >= -0.3 && value <= -0.1));
  t.true(layer.eval().forward(x).add(0.2).abs().max().item() < 1e-6);
});

test('inputs that do not fit are refused', (t) => {
  t.throws(() => F.localResponseNorm(torch.zeros([2, 3]), 2), { instanceOf: torch.ShapeError });
  t.throws(() => new nn.Softmax2d().forward(torch.zeros([2, 3])), { instanceOf: torch.ShapeError });
  const negative = torch.tensor([-1, 1]);
  t.throws(() => F.gaussianNllLoss(negative, negative, negative), { message: /variance is negative/ });
  t.throws(() => F.multiMarginLoss(torch.zeros([1, 2]), torch.tensor([0n]), { reduction: 'most' as 'sum' }), {
    message: /none, mean or sum/,
  });
});

test('no class is exported only to throw', (t) => {
  for (const [name, Class] of [...Object.entries(nn), ...Object.entries(optim)] as [string, unknown][]) {
    if (typeof Class !== 'function' || !String(Class).startsWith('class')) continue;
    try {
      Reflect.construct(Class, []);
    } catch (error) {
      t.false(error instanceof torch.NotImplementedError, name);
    }
  }
  t.false('Transformer' in nn || 'LBFGS' in optim);
});
