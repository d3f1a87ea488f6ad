import { join } from 'node:path';
import test from 'ava';
import { ImageSource } from '../../src/data/image-source.js';
import { MemoryStore, type MemoryItem } from '../../src/data/built-in/memory-store.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import {
  eventsOf,
  lossesOf,
  SIZE,
  stripes,
  temporaryFolder,
  transformerConfig,
  vqganConfig,
} from './tiny.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';

/** Stripes of three proportions. */
function images() {
  const items = [16, 32, 24].flatMap((width) => {
    const store = stripes(4, [], width);
    return [0, 1, 2, 3].map((i): MemoryItem => ({ ...store.load(i), hash: `${width} ${i}` }));
  });
  const store = new MemoryStore(items);
  return { train: new ImageSource(store, SIZE), heldOut: new ImageSource(store, SIZE, [0, 4]) };
}

const config = (data: object, training = {}) => {
  const usual = vqganConfig({ steps: 4, ...training });
  return { ...usual, data: { ...usual.data, ...data } };
};
const buckets = ['16x16', '32x16', '24x16'];

test.serial(
  'a first stage trains on batches of unlike sides, and resumes with the same losses and weights',
  async (t) => {
    const folder = temporaryFolder(t);
    const run = async (name: string, given: object, stopAt?: number) => {
      const trainer = await VqganTrainer.create(config(given), { run: join(folder, name), images: images() });
      return lossesOf(await eventsOf(trainer, stopAt));
    };
    const whole = await run('whole', { buckets });
    t.notDeepEqual(whole, await run('squares', {}), 'the buckets have an effect');
    await run('stopped', { buckets }, 2);
    const resumed = await VqganTrainer.resume(join(folder, 'stopped'), { images: images() });
    const rest = lossesOf(await eventsOf(resumed));
    t.deepEqual([...rest.keys()], [3, 4]);
    for (const [step, losses] of rest) t.deepEqual(losses, whole.get(step));
    const weights = async (name: string) => {
      const { tensors, close } = await loadCheckpoint(
        join(folder, name, 'checkpoints', 'step-0000004', 'model.safetensors'),
      );
      const values = [...tensors].map(([key, tensor]) => [key, tensor.flatten().tolist()]);
      close();
      return values;
    };
    t.deepEqual(await weights('stopped'), await weights('whole'));
  },
);

for (const [data, training, message] of [
  [{ buckets: ['17x16'] }, {}, /each side in data\.buckets must be a multiple of 2.*got 17/],
  [{ buckets, crop: 'resized' }, {}, /data\.crop=resized draws the proportions/],
  [{ buckets }, { graph: true }, /training\.graph records steps of one size/],
  [{ buckets: ['16'] }, {}, /data\.buckets must be a list of sides such as 80x48/],
] as const) {
  test.serial(`buckets are refused: ${String(message)}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    await t.throwsAsync(VqganTrainer.create(config(data, training), { run, images: images() }), { message });
  });
}

test.serial('a transformer refuses buckets', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
  const usual = transformerConfig(vqgan);
  await t.throwsAsync(
    TransformerTrainer.create(
      { ...usual, data: { ...usual.data, buckets } },
      { run: join(folder, 'run'), images: images() },
    ),
    { message: /data\.buckets is for first stages/ },
  );
});
