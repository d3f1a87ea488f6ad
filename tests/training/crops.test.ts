/** Crops that the settings of a run ask for. */
import { join } from 'node:path';
import test from 'ava';
import { Loader, type LoaderOptions } from '../../src/data/batches/loader.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { images, temporaryFolder, vqganConfig } from './tiny.js';

const seed = 3;
const batchSize = 8;

/** The first batch of a run with these settings. */
async function firstBatch(run: string, data: object): Promise<Tensor> {
  const usual = vqganConfig({ seed, batchSize, restartCodes: false });
  const config = { ...usual, data: { ...usual.data, ...data } };
  const trainer = await VqganTrainer.create(config, { run, images: images() });
  const { batch } = await trainer.training.stage.next();
  await trainer.close();
  return torch.keep(batch);
}

const cases: [data: object, loader: Partial<LoaderOptions>][] = [
  [{}, {}],
  [{ crop: 'center' }, { crop: 'center' }],
  [{ flip: false }, { flip: false }],
  [{ crop: 'resized' }, { crop: 'resized' }],
  [
    { crop: 'resized', cropScale: [0.1, 0.2] },
    { crop: 'resized', scale: [0.1, 0.2] },
  ],
  [
    { crop: 'resized', cropRatio: [2, 3] },
    { crop: 'resized', ratio: [2, 3] },
  ],
];

test('a run trains on the crops that its settings ask for, each of them others', async (t) => {
  const folder = temporaryFolder(t);
  const seen: Tensor[] = [];
  for (const [i, [data, options]] of cases.entries()) {
    const batch = await firstBatch(join(folder, String(i)), data);
    const loader = new Loader(images().train, { batchSize, seed, ...options });
    t.true(batch.equal((await loader.next()).images), JSON.stringify(data));
    loader.close();
    t.false(
      seen.some((other) => other.equal(batch)),
      JSON.stringify(data),
    );
    seen.push(batch);
  }
});
