import test from 'ava';
import { RunClock } from '../../src/runs/clock.js';
import { resolveConfig } from '../../src/runs/config.js';
import { Timetable } from '../../src/runs/timetable.js';
import { vqganConfig } from '../training/tiny.js';

for (const [training, expected] of [
  [{ imagesEvery: 12 }, [12, 24, 36]],
  [{ imagesEvery: 12, earlyImages: true }, [1, 2, 4, 8, 12, 24, 36]],
  [{ imagesEvery: '60m' }, []],
  [{ imagesEvery: '60m', earlyImages: true }, [1, 2, 4, 8, 16, 32]],
] as const) {
  test(`images are drawn after the steps ${expected.join(', ') || 'of none'}: ${JSON.stringify(training)}`, (t) => {
    const timetable = new Timetable(resolveConfig('vqgan', vqganConfig(training)).training);
    const clock = new RunClock({ steps: 40 });
    const drawn: number[] = [];
    while (!clock.done) {
      clock.tick();
      if (timetable.due('images', clock)) drawn.push(clock.step);
    }
    t.deepEqual(drawn, [...expected]);
  });
}
