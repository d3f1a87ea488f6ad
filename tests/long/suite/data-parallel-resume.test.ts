import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../../src/runs/checkpoint.js';
import { readMetrics } from '../../../src/runs/folder.js';
import { Ranks } from '../../torch/ranks.js';
import { created, pictures, trainedIn } from '../../training/data-parallel-runs.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { eventsOf, temporaryFolder, vqganConfig } from '../../training/tiny.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

test.serial('a run that one process stops goes on bit for bit in all, with the noise of each', async (t) => {
  const folder = temporaryFolder(t);
  const { data, model, training } = vqganConfig({ steps: 4 });
  const params = { ...model.params, embed_dim: 32, kl_weight: 1e-3 };
  const config = {
    model: { target: 'taming.models.vqgan.GumbelVQ', params },
    data: { ...data, path: await pictures(temporaryFolder(t)) },
    training,
  };
  const straight = await trainedIn(two, created(config, join(folder, 'straight')));
  const stopped = await trainedIn(two, created(config, join(folder, 'stopped')), { stopAt: 1 });
  t.is(readMetrics(join(folder, 'stopped')).at(-1)!.step, 2);
  const resumed = await trainedIn(two, `resume(${JSON.stringify(join(folder, 'stopped'))})`);
  t.deepEqual(resumed, straight);
  t.deepEqual(resumed[0], resumed[1]);
  t.notDeepEqual(resumed, stopped);
});

test.serial(
  'a run of two processes goes on in one, which says so, with the images that come next',
  async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const { data, ...rest } = vqganConfig({ steps: 4, restartCodes: false });
    const config = { ...rest, data: { ...data, path: await pictures(temporaryFolder(t)), heldOut: 2 } };
    await trainedIn(two, created(config, run), { stopAt: 1 });
    const { step, state } = await newestCheckpoint(run);
    t.deepEqual([step, state['processes'], state['data']], [2, 2, { epoch: 0, position: 8 }]);
    const trainer = await VqganTrainer.resume(run);
    const events = await eventsOf(trainer, 3);
    t.regex(
      JSON.stringify(events[0]),
      /continues in 1 process instead of 2: a step now averages 2 images instead of 4/,
    );
    const after = (await newestCheckpoint(run)).state;
    t.deepEqual(after['data'], { epoch: 1, position: 0 });
    t.is(after['processes'] ?? 1, 1);
  },
);
