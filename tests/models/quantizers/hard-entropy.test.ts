/** Entropies of chosen codes, against counts over all codes. */
import test from 'ava';
import { bitShareEntropy, hardCodeEntropy } from '../../../src/models/quantizers/hard-entropy.js';
import * as torch from '../../../src/torch/index.js';

test('codes that nobody chose count with what smoothing gives them', (t) => {
  const signs = torch.tensor([[[[1, 1, -1]]], [[[1, 1, -1]]], [[[-1, 1, 1]]]]);
  const counts = [2, 1, 0, 0, 0, 0, 0, 0].map((count) => count + 1e-4);
  const total = counts.reduce((sum, one) => sum + one, 0);
  const entropy = counts.reduce((sum, one) => sum - (one / total) * Math.log(one / total), 0);
  t.true(Math.abs(hardCodeEntropy(signs).item() - entropy) < 1e-6);
});

test('a bit that is set in half of the positions of an image has the entropy ln 2', (t) => {
  const signs = torch.tensor([
    [
      [
        [1, -1],
        [-1, -1],
      ],
    ],
  ]); // [1, 1, 2, 2]
  t.true(Math.abs(bitShareEntropy(signs).item() - Math.log(2)) < 1e-6);
});
