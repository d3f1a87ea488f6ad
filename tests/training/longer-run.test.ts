import { cpSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, temporaryFolder, vqganConfig } from './tiny.js';

interface Length {
  steps?: number;
  minutes?: number;
}

/** About one step on any machine, and about a few. */
const [moment, few] = [1e-5, 5e-3];

/** Runs that ended, trained once for each length; each case goes on with a copy. */
const ended = new Map<string, Promise<string>>();
const afterAll: (() => unknown)[] = [];
test.after.always(() => afterAll.forEach((fn) => fn()));

async function train(length: Length): Promise<string> {
  const run = join(temporaryFolder({ teardown: (fn) => void afterAll.push(fn) }), 'run');
  const { steps: _, ...training } = vqganConfig().training;
  const config = { ...vqganConfig(), training: { ...training, ...length } };
  await eventsOf(await VqganTrainer.create(config, { run, images: images() }));
  return run;
}

async function copyOfEnded(t: ExecutionContext, length: Length): Promise<string> {
  const key = JSON.stringify(length);
  if (!ended.has(key)) ended.set(key, train(length));
  const run = join(temporaryFolder(t), 'run');
  cpSync(await ended.get(key)!, run, { recursive: true });
  return run;
}

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
    const run = await copyOfEnded(t, first);
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
