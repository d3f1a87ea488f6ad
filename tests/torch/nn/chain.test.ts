import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

test('modules and functions follow each other; only what lies between them is released', (t) => {
  const x = torch.ones([2]);
  const seen: Tensor[] = [];
  const add = (h: Tensor) => {
    seen.push(h);
    return h.add(1);
  };
  const y = nn.chain(x, add, new nn.Identity(), add, (h) => h.mul_(2), add);
  t.deepEqual(y.tolist(), [7, 7]);
  t.deepEqual(
    seen.map((tensor) => tensor.disposed),
    [false, true, true],
  );
  t.is(nn.chain(x), x);
});
