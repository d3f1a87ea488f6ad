import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

/** What a call leaves of the tensor between its input and its result. */
let between: Tensor;

class Doubler extends nn.Module {
  protected static override readonly scoped: readonly string[] = ['encode'];

  encode(x: Tensor): { twice: Tensor } {
    between = x.add(0);
    return { twice: between.mul(2) };
  }

  plain(x: Tensor): Tensor {
    between = x.add(0);
    return between.mul(2);
  }
}

class Quadrupler extends Doubler {
  protected static override readonly scoped: readonly string[] = ['more'];

  more(x: Tensor): Tensor {
    return this.encode(super.encode(x).twice).twice;
  }
}

class Overriding extends Doubler {
  override encode(x: Tensor): { twice: Tensor } {
    between = x.add(0);
    return { twice: between };
  }
}

test('methods that a class names run in a scope: what lies between is freed, the result stays', (t) => {
  const x = torch.ones([1]);
  t.is(new Doubler().encode(x).twice.item(), 2);
  t.true(between.disposed);
  t.is(new Doubler().plain(x).item(), 2);
  t.false(between.disposed);
  t.false(x.disposed);
});

test('a class that extends another adds its own, and what it overrides is left as it is', (t) => {
  const x = torch.ones([1]);
  const before = torch.memory().tensors;
  const four = torch.scope(() => new Quadrupler().more(x).item());
  t.is(four, 4);
  t.is(torch.memory().tensors, before);
  new Quadrupler().encode(x);
  t.true(between.disposed);
  new Overriding().encode(x);
  t.false(between.disposed);
});

test('an error comes through, and its scope is closed', (t) => {
  t.throws(() => new Doubler().encode(null as never), { instanceOf: TypeError });
  t.false(torch.inScope());
});
