import { join } from 'node:path';
import test from 'ava';
import { readMetrics } from '../../../src/runs/folder.js';
import { Ranks } from '../../torch/ranks.js';
import { created, pictures, trainedIn } from '../../training/data-parallel-runs.js';
import { temporaryFolder, vqganConfig } from '../../training/tiny.js';

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
