import test from 'ava';
import * as torch from '../../../src/torch/index.js';

const live = () => torch.memory().tensors;

test.serial('a scope frees what it made and keeps what it returns', (t) => {
  const before = live();
  const kept = torch.scope(() => {
    const a = torch.ones([2]);
    return { list: [a.add(1)], map: new Map([['b', a.mul(3)]]), number: 4 };
  });
  t.is(live(), before + 2);
  t.deepEqual(kept.list[0]!.tolist(), [2, 2]);
  t.deepEqual(kept.map.get('b')!.tolist(), [3, 3]);
  torch.dispose(kept);
  t.is(live(), before);
});

test.serial('results move to the enclosing scope and end with it', (t) => {
  const before = live();
  torch.scope(() => {
    const inner = torch.scope(() => torch.scope(() => torch.ones([1]).add(1)));
    t.is(inner.item(), 2);
    t.is(live(), before + 1);
  });
  t.is(live(), before);
});

test.serial('keep takes tensors out of all scopes', (t) => {
  let kept!: torch.Tensor;
  torch.scope(() => torch.scope(() => ((kept = torch.keep(torch.ones([1]))), undefined)));
  t.is(kept.item(), 1);
  kept.dispose();
});

test.serial('tensors from outside are not freed, returned or not', (t) => {
  const outside = torch.ones([1]);
  t.is(
    torch.scope(() => outside),
    outside,
  );
  torch.scope(() => outside.add(1));
  t.is(outside.item(), 1);
});

test.serial('an error frees everything and passes through', (t) => {
  const before = live();
  t.throws(
    () =>
      torch.scope(() => {
        torch.ones([1]);
        throw new Error('mine');
      }),
    { message: 'mine' },
  );
  t.is(live(), before);
  t.false(torch.inScope());
});

test('a scope refuses to wait', (t) => {
  t.throws(() => torch.scope(async () => torch.ones([1])), {
    instanceOf: torch.ArgumentError,
    message: /promise/,
  });
  t.false(torch.inScope());
});

test('using disposes, once', (t) => {
  let seen: torch.Tensor;
  {
    using x = torch.ones([1]);
    seen = x;
    t.false(seen.disposed);
  }
  t.true(seen.disposed);
  seen[Symbol.dispose]();
  t.throws(() => seen.dispose(), { instanceOf: torch.DisposedError });
});

test('a freed tensor is an error everywhere', (t) => {
  let dead!: torch.Tensor;
  torch.scope(() => void (dead = torch.ones([1])));
  const uses: [string, () => unknown][] = [
    ['operator', () => dead.add(1)],
    ['argument', () => torch.ones([1]).add(dead)],
    ['list', () => torch.cat([dead])],
    ['shape', () => dead.shape],
    ['item', () => dead.item()],
    ['backward', () => dead.backward()],
    ['grad', () => dead.grad],
    ['keep', () => torch.keep(dead)],
    ['grad of', () => torch.grad([dead], [dead])],
  ];
  for (const [what, use] of uses) t.throws(use, { instanceOf: torch.DisposedError }, what);
  t.is(String(torch.describe(dead)), 'disposed tensor');
});

test.serial('what backward needs outlives the scope that made it', (t) => {
  const weight = torch.full([2], 3, { requiresGrad: true });
  const loss = torch.scope(() => weight.mul(weight).exp().log().sum());
  loss.backward();
  t.deepEqual(weight.grad!.tolist(), [6, 6]);
});
