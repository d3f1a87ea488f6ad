/** First stages of maps: label maps with binary cross-entropy, depth with the losses of images. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../../../src/runs/checkpoint.js';
import { openRun } from '../../../../src/runs/open.js';
import { TransformerTrainer } from '../../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../../src/training/vqgan-trainer.js';
import { data, segmentation } from '../../map-configs.js';
import { eventsOf, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from '../../tiny.js';

const { ddconfig } = vqganConfig().model.params;

function depth() {
  const config = vqganConfig();
  const own = { image_key: 'depth', ddconfig: { ...ddconfig, in_channels: 1, out_ch: 1 } };
  return {
    ...config,
    model: { ...config.model, params: { ...config.model.params, ...own } },
    data,
    training: { ...config.training, lpips: 'off' },
  };
}

test.serial('a first stage of segmentations is measured by its labels and resumes bit for bit', async (t) => {
  const folder = temporaryFolder(t);
  const create = (name: string) => VqganTrainer.create(segmentation(), { run: join(folder, name) });
  const whole = await eventsOf(await create('whole'));
  const end = whole.at(-1);
  if (end?.type !== 'end') return t.fail();
  const metrics = end.metrics!;
  t.deepEqual(Object.keys(metrics), ['pixelAccuracy', 'meanIou', 'used', 'perplexity']);
  t.true(metrics['pixelAccuracy']! > 0 && metrics['pixelAccuracy']! <= 1);
  t.true(metrics['meanIou']! >= 0 && metrics['meanIou']! <= metrics['pixelAccuracy']!);
  t.deepEqual(Object.keys([...lossesOf(whole).values()][0]!), ['rec', 'vq']);
  t.regex(readFileSync(join(folder, 'whole', 'README.md'), 'utf8'), /pixels with the right label/);

  const first = await eventsOf(await create('parts'), 3);
  const second = await eventsOf(await VqganTrainer.resume(join(folder, 'parts')));
  t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));
});

test.serial(
  'a transformer names the runs of both stages, and takes the field from the condition’s',
  async (t) => {
    const folder = temporaryFolder(t);
    const [images, maps, run] = ['images', 'depth', 'transformer'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await eventsOf(
      await VqganTrainer.create({ ...vqganConfig({ steps: 1, lpips: 'off' }), data }, { run: images }),
    );
    const end = (await eventsOf(await VqganTrainer.create(depth(), { run: maps }))).at(-1);
    if (end?.type !== 'end') return t.fail();
    t.true(Object.hasOwn(end.metrics!, 'psnr'));

    const { unconditional: _, transformer_config: gpt, ...rest } = transformerConfig(images).model.params;
    const { vocab_size: __, block_size: ___, ...own } = gpt.params;
    const model = {
      ...transformerConfig(images).model,
      params: { ...rest, transformer_config: { ...gpt, params: own } },
    };
    const training = { ...transformerConfig(images, { steps: 2 }).training, condition: maps };
    await eventsOf(await TransformerTrainer.create({ model, data, training }, { run }));
    const opened = await openRun(run, 'transformer', 'cpu');
    t.is(opened.model.condition.field, 'depth');
    t.is(opened.model.transformer.blockSize, 127);
  },
);

const refusals: [string, () => unknown, RegExp][] = [
  [
    'label maps without their field',
    () => segmentation({}, { image_key: 'image' }),
    /lossconfig is BCELossWithQuant, for label maps: name their field in model\.params\.image_key/,
  ],
  [
    'another number of labels',
    () => segmentation({}, { n_labels: 8 }),
    /n_labels is 8, but ddconfig\.out_ch is 9/,
  ],
  [
    'a map of other channels',
    () => segmentation({}, { image_key: 'depth' }),
    /in_channels is 9, but the map "depth" .* has 1: set in_channels and out_ch to 1/,
  ],
  ['a graph', () => segmentation({ graph: true }), /training\.graph records the steps of a VQGAN/],
  [
    'images without the map',
    () => segmentation({}, { image_key: 'normals' }),
    /no field "normals"; they have: label, segmentation, depth/,
  ],
];
for (const [what, config, message] of refusals) {
  test.serial(`refused before anything is written: ${what}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    await t.throwsAsync(VqganTrainer.create(config(), { run }), { message });
    t.false(existsSync(run));
  });
}
