import test from 'ava';
import { assignedTo, kMeans } from '../../../src/models/quantizers/k-means.js';
import * as torch from '../../../src/torch/index.js';

test('points are counted and summed beyond the integers of half precision', (t) => {
  const like = torch.zeros([2, 3], { dtype: 'bfloat16' });
  const points = torch.ones([301, 3], { dtype: 'bfloat16' });
  const { counts, sums } = assignedTo(points, torch.zeros([301], { dtype: 'int64' }), like);
  t.deepEqual(counts.tolist(), [301, 0]);
  t.deepEqual(sums.tolist(), [
    [301, 301, 301],
    [0, 0, 0],
  ]);
});

test('centres in half precision move to the mean of many points', (t) => {
  const points = torch.cat([torch.full([400, 2], 1), torch.full([400, 2], 3)]).to('bfloat16');
  const start = torch.zeros([1, 2], { dtype: 'bfloat16' });
  const { means, counts } = kMeans(points, start, { iterations: 1, cosine: false, joined: () => {} });
  t.deepEqual(means.tolist(), [[2, 2]]);
  t.deepEqual(counts.tolist(), [800]);
});
