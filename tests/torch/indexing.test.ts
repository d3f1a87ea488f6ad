import test from 'ava';
import * as torch from '../../src/torch/index.js';

const { slice } = torch;
const x = torch.arange(24).reshape([2, 3, 4]);
const mask = torch.tensor([
  [true, false, true],
  [false, true, false],
]);

const cases: [string, torch.Index[], number[], number][] = [
  ['integer', [1], [3, 4], 12],
  ['negative integer', [-1, 0, 0], [], 12],
  ['slice', [slice(), slice(1)], [2, 2, 4], 4],
  ['slice with step', [0, 0, slice(null, null, 2)], [2], 0],
  ['slice from the end', [0, 0, slice(-1)], [1], 3],
  ['ellipsis', ['...', 1], [2, 3], 1],
  ['ellipsis in the middle', [1, '...', 3], [3], 15],
  ['new dimension', [null, '...', null], [1, 2, 3, 4, 1], 0],
  ['index tensor', [slice(), torch.tensor([2n, 0n])], [2, 2, 4], 8],
  ['two index tensors', [torch.tensor([0n, 1n]), torch.tensor([1n, 2n])], [2, 4], 4],
  ['mask over two dimensions', [mask], [3, 4], 0],
  ['mask and slice', [mask, slice(1, 2)], [3, 1], 1],
  ['mask in the second place', [0, torch.tensor([false, true, true])], [2, 4], 4],
];
for (const [what, indices, shape, first] of cases) {
  test(`at: ${what}`, (t) => {
    const part = x.at(...indices);
    t.deepEqual(part.shape, shape);
    t.is(part.reshape([-1]).at(0).item(), first);
  });
}

test('views share memory, index tensors copy', (t) => {
  t.is(x.at(1).storage.address, x.storage.address);
  t.not(x.at(torch.tensor([1n])).storage.address, x.storage.address);
});

test('setAt writes through', (t) => {
  const y = torch.zeros([2, 3]);
  torch.setAt(y, [0, slice(1)], 5);
  torch.setAt(y, [torch.tensor([1n])], torch.tensor([[1, 2, 3]]));
  torch.setAt(y, [y.eq(0)], -1);
  t.deepEqual(y.tolist(), [
    [-1, 5, 5],
    [1, 2, 3],
  ]);
});

test('what cannot be an index is refused', (t) => {
  t.throws(() => x.at(0, 0, 0, 0), { instanceOf: torch.IndexError });
  t.throws(() => x.at(5), { instanceOf: torch.IndexError });
  t.throws(() => x.at(0.5), { instanceOf: torch.IndexError });
  t.throws(() => x.at('...', '...'), { instanceOf: torch.IndexError });
  t.throws(() => slice(0, 5, -1), { instanceOf: torch.ArgumentError, message: /flip/ });
  t.throws(() => x.at({} as never), { instanceOf: torch.ArgumentError });
});
