import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { learningRateAt, RunClock } from '../../src/training/run-clock.js';

test('a run ends after its steps, or its time, whichever is first', async (t) => {
  const bySteps = new RunClock({ steps: 4, minutes: 10 });
  for (const progress of [0, 0.25, 0.5, 0.75]) {
    t.true(Math.abs(bySteps.progress - progress) < 0.01);
    t.false(bySteps.done);
    bySteps.tick();
  }
  t.true(bySteps.done);

  const byTime = new RunClock({ steps: 1e6, minutes: 0.05 / 60 });
  await setTimeout(60);
  t.true(byTime.done);
  for (const length of [{}, { steps: 0 }, { minutes: -1 }])
    t.throws(() => new RunClock(length), { instanceOf: RangeError });
});

test('reports come at the first step, now and then, and at the last', (t) => {
  const clock = new RunClock({ steps: 3 }, 1000);
  const due = [1, 2, 3].map(() => {
    clock.tick();
    return clock.reportDue();
  });
  t.deepEqual(due, [true, false, true]);
});

test('a progress line has step, share, rates, time left and figures', (t) => {
  const clock = new RunClock({ steps: 2000 });
  for (let i = 0; i < 1240; i++) clock.tick();
  t.regex(
    clock.line('vqgan', 8, { rec: 0.14159, codes: '212/256' }),
    /^vqgan {2}1,240 steps {2}62% {2}\d+(\.\d+)? it\/s {2}\d+(\.\d+)? img\/s {2}eta 0s {2}rec 0\.1416 {2}codes 212\/256$/,
  );
});

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
});
