/** First stages of maps that learn. */
import { join } from 'node:path';
import test from 'ava';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { data, segmentation } from '../../training/map-configs.js';
import { eventsOf, lossesOf, temporaryFolder, vqganConfig } from '../../training/tiny.js';

test.serial('a first stage learns labels: cross-entropy falls, in bfloat16 too', async (t) => {
  for (const precision of ['float32', 'bfloat16']) {
    const config = segmentation({ steps: 16, learningRate: 4e-3, precision });
    const run = join(temporaryFolder(t), 'run');
    const losses = [...lossesOf(await eventsOf(await VqganTrainer.create(config, { run }))).values()];
    t.true(losses.at(-1)!['rec']! < 0.7 * losses[0]!['rec']!, precision);
  }
});

test.serial('maps that are only listed do not change what a first stage of images learns', async (t) => {
  const folder = temporaryFolder(t);
  const losses = async (name: string, more: object) => {
    const config = { ...vqganConfig({ steps: 2, lpips: 'off' }), data: { ...data, ...more } };
    return lossesOf(await eventsOf(await VqganTrainer.create(config, { run: join(folder, name) })));
  };
  t.deepEqual(await losses('listed', { maps: ['depth'] }), await losses('plain', {}));
});
