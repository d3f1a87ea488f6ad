import test from 'ava';
import * as torch from '../../src/torch/index.js';

const z = torch.complexScalar;

test('complex tensors are made of parts, of scalars, or of size and angle', (t) => {
  const parts = torch.complex(torch.tensor([1, 2]), torch.tensor([-1, 0.5]));
  t.is(parts.dtype, 'complex64');
  t.deepEqual(parts.tolist(), [z(1, -1), z(2, 0.5)]);
  t.deepEqual(torch.tensor([z(1, -1), 2]).tolist(), [z(1, -1), z(2, 0)]);
  const turned = torch.polar(
    torch.tensor([2], { dtype: 'float64' }),
    torch.tensor([Math.PI / 2], { dtype: 'float64' }),
  );
  t.is(turned.dtype, 'complex128');
  t.true(turned.sub(z(0, 2)).abs().item() < 1e-15);
  t.throws(() => torch.complex(torch.tensor([1]), torch.tensor([1n])), { instanceOf: torch.TorchError });
});

test('a complex tensor and its parts share memory', (t) => {
  const x = torch.tensor([z(1, 2), z(3, 4)]);
  t.deepEqual(x.viewAsReal().tolist(), [
    [1, 2],
    [3, 4],
  ]);
  t.deepEqual(x.real().tolist(), [1, 3]);
  t.deepEqual(x.imag().tolist(), [2, 4]);
  x.imag().zero_();
  t.deepEqual(x.tolist(), [z(1, 0), z(3, 0)]);
  t.deepEqual(
    torch
      .tensor([[1, 2]])
      .viewAsComplex()
      .tolist(),
    [z(1, 2)],
  );
  t.throws(() => torch.tensor([1, 2, 3]).viewAsComplex(), { instanceOf: torch.TorchError });
  t.throws(() => torch.tensor([1]).viewAsReal(), { instanceOf: torch.TorchError });
});

test('conjugates are lazy, and read as what they are', (t) => {
  const x = torch.tensor([z(1, 2), z(3, -4)]);
  const conjugate = x.conj();
  t.is(conjugate.storage.address, x.storage.address);
  t.true(conjugate.isConj());
  t.deepEqual(conjugate.tolist(), [z(1, -2), z(3, 4)]);
  t.deepEqual([...conjugate.toTypedArray()], [1, -2, 3, 4]);
  t.deepEqual(conjugate.imag().tolist(), [-2, 4]);
  t.deepEqual(conjugate.mul(x).tolist(), [z(5, 0), z(25, 0)]);
});

test('elements are complex scalars, and typed arrays hold both parts in turn', (t) => {
  const x = torch.tensor(z(1.5, -2), { dtype: 'complex128' });
  t.deepEqual(x.item() as unknown, z(1.5, -2));
  t.deepEqual(x.tolist(), z(1.5, -2));
  t.deepEqual(x.toTypedArray(), Float64Array.of(1.5, -2));
  t.is(torch.tensor([1]).mul(z(0, 1)).dtype, 'complex64');
  t.true(torch.isComplex(x.dtype));
});

test('gradients through complex numbers are those of the real and imaginary part', (t) => {
  const x = torch.tensor([0.5, -1.5], { dtype: 'float64', requiresGrad: true });
  const y = torch.tensor([2, 0.25], { dtype: 'float64', requiresGrad: true });
  t.true(
    torch.gradcheck(
      (re, im) => {
        const w = torch.complex(re, im);
        return [w.mul(w), w.abs(), w.angle(), w.exp().real()];
      },
      [x, y],
    ),
  );
});
