import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, temporaryFolder, vqganConfig } from './tiny.js';

interface Length {
  steps?: number;
  minutes?: number;
}

/** About one step on any machine, and about a few. */
const [moment, few] = [1e-5, 5e-3];

const cases: { name: string; first: Length; longer: (step: number, seconds: number) => Length }[] = [
  { name: 'steps, by steps', first: { steps: 2 }, longer: (step) => ({ steps: step + 2 }) },
  { name: 'steps, by time', first: { steps: 2 }, longer: (_, seconds) => ({ minutes: seconds / 60 + few }) },
  {
    name: 'time, by time',
    first: { minutes: moment },
    longer: (_, seconds) => ({ minutes: seconds / 60 + few }),
  },
  { name: 'time, by steps', first: { minutes: moment }, longer: (step) => ({ steps: step + 2 }) },
  {
    name: 'either, by steps',
    first: { steps: 9999, minutes: moment },
    longer: (step) => ({ steps: step + 2 }),
  },
];

for (const { name, first, longer } of cases) {
  test.serial(`a run that ended by its own length goes on when given a longer one: ${name}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const { steps: _, ...training } = vqganConfig().training;
    const config = { ...vqganConfig(), training: { ...training, ...first } };
    await eventsOf(await VqganTrainer.create(config, { run, images: images() }));
    const { step, state } = await newestCheckpoint(run);

    const unchanged = await eventsOf(await VqganTrainer.resume(run, { images: images() }));
    t.like(unchanged.at(-1), { type: 'end', step, interrupted: false }, 'with its old length it is over');

    const given = longer(step, state['seconds'] as number);
    const resumed = await VqganTrainer.resume(run, { images: images(), changes: { training: given } });
    t.deepEqual(
      { steps: resumed.config.training.steps, minutes: resumed.config.training.minutes },
      { steps: given.steps, minutes: given.minutes },
      'the old end does not cut the new one short',
    );
    const end = (await eventsOf(resumed)).at(-1)!;
    t.true(end.type === 'end' && !end.interrupted && end.step > step);
    if (given.steps !== undefined) t.like(end, { step: given.steps });
  });
}
