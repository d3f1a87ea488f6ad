import test from 'ava';
import { EpochOrder } from '../../../src/data/batches/epoch-order.js';

test('the order of an epoch depends on the seed and the epoch alone, and stays what it was', (t) => {
  const order = new EpochOrder(12, 3);
  const of = (epoch: number, from = order) => Array.from({ length: 12 }, (_, i) => from.at(epoch, i));
  const recorded = {
    0: [2, 1, 11, 9, 3, 0, 4, 7, 5, 10, 8, 6],
    1: [9, 10, 6, 3, 0, 4, 1, 11, 2, 7, 8, 5],
    5: [11, 10, 8, 6, 7, 1, 0, 5, 3, 9, 4, 2],
  };
  t.deepEqual({ 0: of(0), 1: of(1), 5: of(5) }, recorded);
  t.deepEqual(of(1), recorded[1], 'after a later epoch');
  t.deepEqual(of(5, new EpochOrder(12, 3)), recorded[5], 'without the ones before it');
});
