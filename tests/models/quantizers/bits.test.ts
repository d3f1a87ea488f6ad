import test from 'ava';
import { bitsOfIndex, bitWeights, indexOfBits, signsOf } from '../../../src/models/quantizers/bits.js';
import * as torch from '../../../src/torch/index.js';

test('the first bit counts the most, or the least', (t) => {
  const bits = torch.tensor([[true, false, false, true, true]]);
  t.deepEqual(indexOfBits(bits, bitWeights(5)).tolist(), [19]);
  t.deepEqual(indexOfBits(bits, bitWeights(5, 'leastSignificantFirst')).tolist(), [25]);
  t.deepEqual(signsOf(bits, 'float32').tolist(), [[1, -1, -1, 1, 1]]);
});

for (const count of [1, 31, 62, 64])
  test(`${count} bits are found again in their index`, (t) => {
    const bits = torch.randn([20, count]).gt(0).long();
    const weights = bitWeights(count);
    t.deepEqual(bitsOfIndex(indexOfBits(bits, weights), weights).tolist(), bits.tolist());
  });
