import test from 'ava';
import * as torch from '../../src/torch/index.js';

test('methods written by hand are installed as a class would have them', (t) => {
  for (const name of ['to', 'at', 'item', 'toString', 'registerHook', 'grad', 'data']) {
    const own = Object.getOwnPropertyDescriptor(torch.Tensor.prototype, name)!;
    t.false(own.enumerable, name);
    t.true(own.configurable, name);
  }
  const seen: string[] = [];
  // oxlint-disable-next-line guard-for-in -- inherited names are what is looked for
  for (const name in torch.zeros([1])) seen.push(name);
  t.deepEqual(seen.sort(), ['cloning', 'handle']);
});
