import test from 'ava';
import { learningRateAt } from '../../../src/training/engine/schedule.js';

test('the learning rate rises, stays, and falls to a twentieth', (t) => {
  t.true(learningRateAt(0, 1) < 0.1);
  t.is(learningRateAt(0.02, 1), 1);
  t.is(learningRateAt(0.39, 1), 1);
  t.true(Math.abs(learningRateAt(0.7, 2) - 1) < 1e-9);
  t.is(learningRateAt(1, 1), 0.05);
  let last = Infinity;
  for (let p = 0.02; p <= 1; p += 0.01) {
    t.true(learningRateAt(p, 1) <= last);
    last = learningRateAt(p, 1);
  }
  t.is(learningRateAt(0.5, 1, { warmup: 0, decayFrom: 1, final: 0.1 }), 1);
  t.is(learningRateAt(0, 1, { warmup: 0.1, final: 0.1 }), 0.1);
});
