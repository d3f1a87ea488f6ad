import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { forgetProgress, RunClock } from '../../src/runs/clock.js';

test('a run ends after its steps, or its time, whichever is first', (t) => {
  const bySteps = new RunClock({ steps: 4, minutes: 10 });
  for (const progress of [0, 0.25, 0.5, 0.75]) {
    t.true(Math.abs(bySteps.progress - progress) < 0.01);
    t.false(bySteps.done);
    bySteps.tick();
  }
  t.true(bySteps.done);

  const byTime = new RunClock({ steps: 1e6, minutes: 1 }, { step: 10, seconds: 61 });
  t.true(byTime.done);
  t.true(byTime.seconds >= 61);
  for (const length of [{}, { steps: 0 }, { minutes: -1 }])
    t.throws(() => new RunClock(length), { instanceOf: RangeError });
});

test('progress stands still between two ticks and never goes back', (t) => {
  const clock = new RunClock({ minutes: 0.001 });
  const before = clock.progress;
  const until = performance.now() + 5;
  while (performance.now() < until);
  t.is(clock.progress, before);
  clock.tick();
  t.true(clock.progress > before);
});

test('a resumed run sees the recorded progress of the steps it does again', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-clock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const journal = join(folder, 'progress.f64');
  const first = new RunClock({ minutes: 0.01 }, { journal });
  const seen = [first.progress];
  for (let i = 0; i < 6; i++) {
    first.tick();
    seen.push(first.progress);
  }
  first.close();
  // The last record is half written, as after a crash of the machine.
  truncateSync(journal, 6 * 8 + 3);
  const again = new RunClock({ minutes: 0.01 }, { step: 2, seconds: 0, journal });
  t.is(again.progress, seen[2]!);
  for (const step of [3, 4, 5]) {
    again.tick();
    t.is(again.progress, seen[step]!);
  }
  again.tick();
  t.true(again.progress >= seen[5]!);
  again.close();
});

test('progress of another length is forgotten from a step on, and a hole is not progress', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-clock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const journal = join(folder, 'progress.f64');
  t.notThrows(() => forgetProgress(journal, 3), 'a run limited by steps has no journal');
  const ended = new RunClock({ minutes: 1 }, { step: 2, seconds: 61, journal });
  t.true(ended.done);
  ended.close();
  forgetProgress(journal, 2);
  const longer = new RunClock({ minutes: 4 }, { step: 2, seconds: 61, journal });
  t.true(longer.progress > 0.25 && longer.progress < 0.3);
  longer.close();
  const hole = new RunClock({ minutes: 4 }, { step: 1, seconds: 60, journal });
  t.true(hole.progress >= 0.25);
  hole.close();
});
