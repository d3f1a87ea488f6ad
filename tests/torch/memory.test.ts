import test from 'ava';
import * as torch from '../../src/torch/index.js';

test.serial('memory counts live tensors, bytes and the peak', (t) => {
  const before = torch.memory();
  const x = torch.zeros([1 << 20]);
  const during = torch.memory();
  t.is(during.tensors, before.tensors + 1);
  t.true(during.bytes['cpu']! - before.bytes['cpu']! >= 4 << 20);
  t.true(during.peakBytes['cpu']! >= during.bytes['cpu']!);
  x.dispose();
  t.is(torch.memory().tensors, before.tensors);
  t.is(torch.memory().bytes['cpu'], before.bytes['cpu']);
});

test.serial('small blocks that wait to be used again are not counted', (t) => {
  const before = torch.memory().bytes['cpu'];
  for (let round = 0; round < 3; round++) {
    const tensors = Array.from({ length: 300 }, (_, i) => torch.full([1 + 3 * i], i));
    t.true(torch.memory().bytes['cpu']! - before! >= tensors.reduce((sum, x) => sum + 4 * x.numel(), 0));
    // Each has a block of its own: what was written last into any of them stays in all the others.
    for (const [i, x] of tensors.entries()) t.true(x.toTypedArray().every((value) => value === i));
    torch.dispose(tensors);
    t.is(torch.memory().bytes['cpu'], before);
  }
});

test.serial('an allocation beyond the budget is refused, and a smaller step works afterwards', (t) => {
  const budget = torch.memoryBudget();
  t.true(budget > 0);
  torch.setMemoryBudget(torch.memory().bytes['cpu']! + (64 << 20));
  try {
    const error = t.throws(() => torch.scope(() => Array.from({ length: 6 }, () => torch.ones([4 << 20]))), {
      instanceOf: torch.OutOfMemoryError,
    });
    t.regex(error.message, /aten::ones.*budget/);
    const weight = torch.ones([1 << 18], { requiresGrad: true });
    torch.scope(() => weight.mul(2).sum().backward());
    t.is(weight.grad!.at(0).item(), 2);
  } finally {
    torch.setMemoryBudget(budget);
  }
  t.throws(() => torch.setMemoryBudget(-1), { instanceOf: torch.ArgumentError });
});

test.serial('six tensors of 15 GB do not "succeed" on a machine of 24 GB', (t) => {
  const budget = torch.memoryBudget();
  torch.setMemoryBudget(24e9);
  const before = torch.memory();
  try {
    // Memory that is not touched costs nothing: whoever grants it kills the process later.
    const six = () => torch.scope(() => Array.from({ length: 6 }, () => torch.empty([15e9 / 4])));
    t.throws(six, { instanceOf: torch.OutOfMemoryError });
    const after = torch.memory();
    t.is(after.tensors, before.tensors);
    t.deepEqual(after.bytes, before.bytes);
    t.true(after.peakBytes['cpu']! < 24e9);
    const weight = torch.ones([1 << 18], { requiresGrad: true });
    torch.scope(() => weight.mul(3).sum().backward());
    t.is(weight.grad!.at(0).item(), 3);
  } finally {
    torch.setMemoryBudget(budget);
  }
});
