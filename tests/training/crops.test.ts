/** Crops that the settings of a run ask for. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Loader, type LoaderOptions } from '../../src/data/batches/loader.js';
import { drawView } from '../../src/data/batches/views.js';
import { SeededRandom } from '../../src/data/seeded-random.js';
import { RunError } from '../../src/runs/error.js';
import { openRun } from '../../src/runs/open.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { trainFirstStage } from './engine-runs.js';
import { eventsOf, images, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

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

test('a second stage encodes the crops that its settings ask for', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  await trainFirstStage(vqgan);
  const { model } = await openRun(vqgan, 'vqgan', 'cpu');
  const codesIn = async (name: string, data: object) => {
    const config = transformerConfig(vqgan, { steps: 1, views: 3 });
    const run = join(folder, name);
    const given = { ...config, data: { ...config.data, flip: false, ...data } };
    await eventsOf(await TransformerTrainer.create(given, { run, images: images() }));
    using file = await loadCheckpoint(join(run, 'codes.safetensors'));
    return torch.keep(file.tensors.get('train')!.long());
  };
  const [random, resized] = [
    await codesIn('random', {}),
    await codesIn('resized', { crop: 'resized', cropScale: [0.1, 0.2], cropRatio: [1, 1] }),
  ];
  const codesOf = (pictures: Tensor) => torch.noGrad(() => model.encode(pictures).indices.flatten(1));
  const middles = codesOf(await images().train.read([...Array(10).keys()]));
  t.deepEqual([random.shape, resized.shape], [middles.repeatInterleave(3, 0).shape, random.shape]);
  t.false(random.equal(middles.repeatInterleave(3, 0)));
  const stream = new SeededRandom(1, 0);
  const how = { crop: 'resized', flip: false, scale: [0.1, 0.2], ratio: [1, 1] } as const;
  const drawn = [0, 1, 2].map(() => drawView(stream, how));
  t.true(codesOf(await images().train.read([0, 0, 0], { views: drawn })).equal(resized.narrow(0, 0, 3)));
});

test('several views of the central crop are refused, and a note names the crops of a second stage', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  await trainFirstStage(vqgan);
  const noteOf = async (views: number, crop: string) => {
    const config = transformerConfig(vqgan, { steps: 1, views });
    const given = { ...config, data: { ...config.data, crop, flip: false } };
    const run = join(folder, `${crop}-${views}`);
    const events = await eventsOf(await TransformerTrainer.create(given, { run, images: images() }));
    const notes = events.flatMap((event) => (event.type === 'start' ? event.notes : []));
    return notes.find((note) => note.startsWith('each image is encoded once'));
  };
  for (const [views, crop, expected] of [
    [1, 'center', 'its central crop'],
    [1, 'resized', 'its central crop'],
    [3, 'random', '3 random crops'],
    [3, 'resized', '3 crops of random size'],
  ] as const)
    t.is(await noteOf(views, crop), `each image is encoded once: ${expected}`);
  await t.throwsAsync(noteOf(3, 'center'), {
    instanceOf: RunError,
    message:
      /training\.views=3 .* data\.crop=center all of them would be alike: leave out training\.views, or set data\.crop=random/,
  });
  t.false(existsSync(join(folder, 'center-3')));
});
