import fc from 'fast-check';
import test from 'ava';
import * as torch from '../../src/torch/index.js';

test('tensors are brought to a common shape', (t) => {
  const column = torch.tensor([[1], [2]]);
  const line = torch.tensor([10, 20, 30]);
  const [a, b] = torch.broadcastTensors([column, line]) as [torch.Tensor, torch.Tensor];
  t.deepEqual(a.tolist(), [
    [1, 1, 1],
    [2, 2, 2],
  ]);
  t.deepEqual(b.tolist(), [
    [10, 20, 30],
    [10, 20, 30],
  ]);
  t.deepEqual(a.strides, [1, 0], 'without a copy');
  t.deepEqual(line.expandAs(a).tolist(), b.tolist());
  t.deepEqual(column.expand([-1, 3]).tolist(), a.tolist());
  t.deepEqual(line.broadcastTo([2, 3]).tolist(), b.tolist());
  t.deepEqual(column.add(line).tolist(), [
    [11, 21, 31],
    [12, 22, 32],
  ]);
});

test('shapes that do not go together are refused by name', (t) => {
  const a = torch.zeros([2, 3]);
  for (const call of [
    () => a.add(torch.zeros([2])),
    () => a.expand([3, 3]),
    () => torch.broadcastTensors([a, torch.zeros([4])]),
    () => torch.zeros([2]).expandAs(a),
  ]) {
    t.throws(call, { instanceOf: torch.ShapeError });
  }
});

const numbers = (count: number) =>
  fc.array(fc.integer({ min: -9, max: 9 }), { minLength: count, maxLength: count });
const size = fc.integer({ min: 1, max: 4 });
const sizes = fc.tuple(size, size, size);
// Integers, which know no negative zero.
const made = (values: number[], shape: number[]) =>
  torch.tensor(BigInt64Array.from(values, BigInt)).view(shape);

test('einsum sums over the letters that are not in the result', (t) => {
  const property = fc.property(
    sizes.chain(([i, j, k]) => fc.tuple(fc.constant([i, j, k] as const), numbers(i * j), numbers(j * k))),
    ([[I, J, K], left, right]) => {
      const a = made(left, [I, J]);
      const b = made(right, [J, K]);
      const product = Array.from({ length: I }, (_, i) =>
        Array.from({ length: K }, (_, k) =>
          left.slice(i * J, (i + 1) * J).reduce((sum, value, j) => sum + value * right[j * K + k]!, 0),
        ),
      );
      t.deepEqual(torch.einsum('ij,jk->ik', [a, b]).tolist(), product);
      t.deepEqual(torch.einsum('ij,jk->ki', [a, b]).t().tolist(), product);
      t.deepEqual(
        torch.einsum('ij,jk->', [a, b]).item(),
        product.flat().reduce((sum, value) => sum + value, 0),
      );
      t.deepEqual(torch.einsum('...j,jk', [a, b]).tolist(), product);
    },
  );
  fc.assert(property, { numRuns: 30 });
});

test('einsum knows diagonals, outer products and traces', (t) => {
  const x = torch.tensor([
    [1, 2],
    [3, 4],
  ]);
  t.deepEqual(torch.einsum('ii->i', [x]).tolist(), [1, 4]);
  t.is(torch.einsum('ii', [x]).item(), 5);
  t.deepEqual(torch.einsum('i,j->ij', [torch.tensor([1, 2]), torch.tensor([3, 4])]).tolist(), [
    [3, 4],
    [6, 8],
  ]);
  t.throws(() => torch.einsum('ij,jk->il', [x, x]), { instanceOf: torch.TorchError });
  t.throws(() => torch.einsum('ij,jk->ik', [x]), { instanceOf: torch.TorchError });
});
