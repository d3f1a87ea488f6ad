/** A second stage conditioned on the class and on a map of an image at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { chooseCondition } from '../../src/cli/commands/sample/condition.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { sampleImages } from '../../src/sampling/images.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import {
  eventsOf,
  images,
  lossesOf,
  SIZE,
  temporaryFolder,
  trainFirstStages,
  transformerConfig,
} from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-several-'));
const place = (name: string) => join(root, name);
const classes = ['ash', 'elm', 'oak'];
const label = { target: 'taming.modules.util.Labelator' };

function conditional(conditions: unknown[], more: object = {}, training: object = {}) {
  const config = transformerConfig(place('vqgan'), { steps: 4, condition: place('edges'), ...training });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const cond_stage_config = { target: 'tessera.conditions.Several', params: { conditions, ...more } };
  const params = { ...rest, transformer_config: { ...gpt, params: own }, cond_stage_config };
  return { ...config, model: { ...config.model, params } };
}

test.before(() => trainFirstStages(place));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const create = (run: string, config: unknown) =>
  TransformerTrainer.create(config, { run: place(run), images: images(classes) });

test.serial(
  'a run learns from classes and edges with ids of their own, and resumes bit for bit',
  async (t) => {
    const config = () => conditional([label], {}, { conditionDropout: 0.3 });
    const whole = await eventsOf(await create('whole', config()));
    const { model, config: stored } = await openRun(place('whole'), 'transformer', 'cpu');
    t.deepEqual(model.condition.fields, ['label', 'edges']);
    t.deepEqual(stored.data.maps, ['edges']);
    t.is(model.transformer.blockSize, 64 + 1 + 16 - 1);
    t.is(model.config.nullToken, 16 + 3 + 7, 'after the codes of images, the classes and the codes of edges');
    t.is(model.transformer.vocabSize, 27);

    const codes = await loadCheckpoint(join(place('whole'), 'codes.safetensors'));
    const rows = codes.tensors.get('conditions')!.tolist() as number[][];
    const labels = codes.tensors.get('labels')!.tolist() as number[];
    codes.close();
    t.deepEqual(
      rows.map(([first]) => first),
      labels.map((one) => 16 + one),
    );
    t.true(rows.every((row) => row.length === 17 && row.slice(1).every((id) => id >= 19 && id < 26)));

    const encoder = await openRun(place('edges'), 'vqgan', 'cpu');
    t.deepEqual(
      model.condStageModel.parameters()[0]!.tolist(),
      encoder.model.parameters()[0]!.tolist(),
      'with the weights of its run',
    );

    const first = await eventsOf(await create('parts', config()), 2);
    const second = await eventsOf(
      await TransformerTrainer.resume(place('parts'), { images: images(classes) }),
    );
    t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
    const files = async (name: string) => (await newestCheckpoint(place(name))).state['files'];
    t.deepEqual(await files('parts'), await files('whole'));
  },
);

test.serial('it samples for a class and a file', async (t) => {
  const { model, classes: names } = await openRun(place('whole'), 'transformer', 'cpu');
  const file = place('drawn.png');
  await sharp(new Uint8Array(SIZE * SIZE), { raw: { width: SIZE, height: SIZE, channels: 1 } })
    .png()
    .toFile(file);
  const choose = (flags: { class?: string; condition?: string }) =>
    chooseCondition(model, flags, { size: [SIZE, SIZE], names, run: 'runs/x' });
  const chosen = await choose({ class: 'oak', condition: file });
  t.like(chosen, { recipe: { class: 'oak', condition: file }, described: ` of class oak for ${file}` });
  const { indices } = model.encodeToC(chosen.row);
  t.is(indices.select(1, 0).item(), 16 + 2);
  t.deepEqual(sampleImages(model, indices, { grid: [8, 8], guidance: 2 }).shape, [1, 3, SIZE, SIZE]);
  await t.throwsAsync(choose({ class: 'oak' }), {
    message: /maps of the field "edges": give one with --condition/,
  });
  await t.throwsAsync(choose({ condition: file }), {
    message: /3 classes \(ash, elm, oak\): name one with --class/,
  });
});

test.serial(
  'conditions may share ids, and a VQGAN may have its place and its weights in the list',
  async (t) => {
    const { path } = await newestCheckpoint(place('edges'));
    const { config } = await openRun(place('edges'), 'vqgan', 'cpu');
    const listed = {
      ...config.model,
      params: { ...config.model.params, ckpt_path: join(path, 'model.safetensors') },
    };
    const shared = conditional([listed, label], { separate_vocabulary: false }, { steps: 1 });
    const { condition: _, ...training } = shared.training as typeof shared.training & { condition: string };
    await eventsOf(await create('shared', { ...shared, training }));
    const { model } = await openRun(place('shared'), 'transformer', 'cpu');
    t.deepEqual(model.condition.fields, ['edges', 'label']);
    t.is(model.transformer.vocabSize, 16);
  },
);

test.serial('a map of other channels is refused before anything is written', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const config = conditional([label], {}, { condition: place('vqgan') });
  const only = { ...config.model.params.cond_stage_config.params, keys: [null, 'edges'] };
  config.model.params.cond_stage_config.params = only;
  await t.throwsAsync(TransformerTrainer.create(config, { run, images: images(classes) }), {
    message: /the map "edges" .* has 1 channel, but the condition's VQGAN takes 3/,
  });
});
