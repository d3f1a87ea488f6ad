/** A second stage conditioned on a map of its images, which a VQGAN of its own encodes, or on their layouts. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { chooseCondition } from '../../src/cli/commands/sample/condition.js';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import { sampled } from '../cli/sampled.js';
import type { LayoutStage } from '../../src/models/conditions/layout/stage.js';
import { sampleScene } from '../../src/sampling/scenes.js';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint, saveSafetensors } from '../../src/torch/io/index.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import type { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-map-condition-'));
const vqgan = join(root, 'vqgan');
const weights = join(root, 'segmentation.safetensors');
const data = { path: 'scenes', size: 16, count: 24, seed: 7, heldOut: 0.25 };

const { ddconfig } = vqganConfig().model.params;

/** The segmentation model of the reference, for the 9 labels of the scenes. */
const segmentation = (channels = 9) => ({
  target: 'taming.models.vqgan.VQSegmentationModel',
  params: {
    n_embed: 12,
    embed_dim: 8,
    n_labels: channels,
    image_key: 'segmentation',
    ddconfig: { ...ddconfig, in_channels: channels, out_ch: channels, ch_mult: [1, 1, 1] },
  },
});

/** A run's configuration; sizes that are left out are filled in. */
function conditional(
  condition: unknown,
  params: Record<string, unknown> = {},
  training: Record<string, unknown> = {},
) {
  const config = transformerConfig(vqgan, { steps: 4, ...training });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const transformer_config = { ...gpt, params: own };
  const model = {
    ...config.model,
    params: { ...rest, transformer_config, cond_stage_config: condition, ...params },
  };
  return { ...config, model, data };
}

const trained = { ...segmentation(), params: { ...segmentation().params, ckpt_path: weights } };

test.before(async () => {
  const config = vqganConfig({ steps: 1 });
  await eventsOf(await VqganTrainer.create(config, { run: vqgan, images: images() }));
  torch.manualSeed(5);
  const model = modelFromConfig<VQModel>(segmentation());
  await saveSafetensors(weights, Object.fromEntries(model.stateDict()));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

test.serial('a run encodes the map of each image, learns from it, and resumes bit for bit', async (t) => {
  const folder = temporaryFolder(t);
  const create = (name: string) =>
    TransformerTrainer.create(conditional(trained, {}, { conditionDropout: 0.3 }), {
      run: join(folder, name),
    });
  const whole = await eventsOf(await create('whole'));
  t.like(whole.at(-1), { type: 'end', step: 4, interrupted: false });

  const codes = await loadCheckpoint(join(folder, 'whole', 'codes.safetensors'));
  t.deepEqual(codes.tensors.get('conditions')?.shape, [36, 16]); // stride 4, and mirrored
  t.deepEqual(codes.tensors.get('heldOutConditions')?.shape, [6, 16]);
  const rows = new Set((codes.tensors.get('conditions')!.tolist() as number[][]).map(String));
  t.true(rows.size > 9, 'the tokens are those of each image');
  codes.close();

  const { model, config } = await openRun(join(folder, 'whole'), 'transformer', 'cpu');
  t.deepEqual(config.data.maps, ['segmentation']);
  t.is(model.condition.field, 'segmentation');
  t.is(model.transformer.blockSize, 64 + 16 - 1);
  t.is(model.config.nullToken, 16, 'after the 12 codes of maps and the 16 of images');
  t.is(model.transformer.vocabSize, 17);
  const drawn = readdirSync(join(folder, 'whole', 'images')).filter((name) => name.startsWith('samples'));
  const { width, height } = await sharp(join(folder, 'whole', 'images', drawn[0]!)).metadata();
  t.deepEqual([width, height], [4 * 130 - 2, 128], 'two samples, each after its condition');

  const first = await eventsOf(await create('parts'), 2);
  const second = await eventsOf(await TransformerTrainer.resume(join(folder, 'parts')));
  t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));
});

test.serial('the condition may be an image that the first stage itself encodes', async (t) => {
  const config = conditional('__is_first_stage__', { cond_stage_key: 'depth' });
  await t.throwsAsync(TransformerTrainer.create(config, { run: join(temporaryFolder(t), 'run') }), {
    message: /the map "depth" of the images in scenes has 1 channel, but the condition's VQGAN takes 3/,
  });
});

const layout = (classes = 4) => ({
  target: 'tessera.conditions.LayoutStage',
  params: {
    no_object_classes: classes,
    no_max_objects: 3,
    no_tokens: 64,
    encode_crop: true,
    use_group_parameter: false,
  },
});

test.serial('a run learns layouts of the scenes, and draws the one of a file', async (t) => {
  const folder = temporaryFolder(t);
  const run = join(folder, 'run');
  await eventsOf(await TransformerTrainer.create(conditional(layout()), { run }));
  const codes = await loadCheckpoint(join(run, 'codes.safetensors'));
  const rows = codes.tensors.get('conditions')!.tolist() as number[][];
  codes.close();
  t.deepEqual([rows.length, rows[0]!.length], [36, 3 * 3 + 2]);
  t.true(new Set(rows.map(String)).size > 18, 'the tokens are those of each image, mirrored or not');

  const { model } = await openRun(run, 'transformer', 'cpu');
  t.is(model.condition.field, 'layout');
  t.is(model.transformer.blockSize, 64 + 11 - 1);
  t.is(model.transformer.vocabSize, 64);
  const { builder } = model.condStageModel as LayoutStage;
  const objects = [{ categoryNo: 0, bbox: [0.1, 0.2, 0.3, 0.7] as const }];
  t.deepEqual(sampleScene(model, objects, builder, { grid: [8, 12], seed: 1 }).shape, [1, 8, 12]);

  const choose = (condition?: string) =>
    chooseCondition(model, condition === undefined ? {} : { condition }, { size: [16, 16], names: [], run });
  const file = join(folder, 'layout.json');
  writeFileSync(file, '[[0, 0.1, 0.2, 0.3, 0.7]]');
  const { indices } = model.encodeToC((await choose(file)).row);
  t.deepEqual(indices.tolist(), [builder.build(objects).tolist()]);
  await t.throwsAsync(choose(), { message: /was trained on layouts: give one with --layout FILE.json/ });
  const wide = ['--size', '24x16', '--n', '1', '--seed', '3', '--layout', file];
  const { pixels } = await sampled(join(folder, 'wide'), run, ...wide);
  const generator = new torch.Generator().manualSeed(3);
  const scene = sampleScene(model, objects, builder, { grid: [8, 12], window: 8, topK: 64, generator });
  const image = torch.noGrad(() => model.firstStageModel.decodeIndices(scene));
  t.is(pixels[0], Buffer.from(imageGrid(image).pixels).toString('hex'));
  writeFileSync(file, '[]');
  await t.throwsAsync(choose(file), { message: /--layout .*layout.json: it has no objects/ });
  writeFileSync(file, '[[9, 0.1, 0.2, 0.3, 0.7]]');
  await t.throwsAsync(choose(file), { message: /layout.json: .*there is no class 9/ });
});

const refusals: [string, () => unknown, RegExp][] = [
  [
    'images without such a map',
    () => conditional(trained, { cond_stage_key: 'normals' }),
    /no field "normals"/,
  ],
  [
    'a map of other channels',
    () => conditional({ ...segmentation(4), params: { ...segmentation(4).params, ckpt_path: weights } }),
    /has 9 channels, but the condition's VQGAN takes 4/,
  ],
  [
    'fewer classes than the objects of the images have',
    () => conditional(layout(3)),
    /have 4 classes of objects \(tree, building, vehicle, animal\), but .*no_object_classes is 3: set it to 4/,
  ],
  ['no weights', () => conditional(segmentation()), /no trained VQGAN of the condition was named/],
  [
    'a file that does not exist',
    () => ({
      ...conditional(segmentation()),
      training: { ...conditional(null).training, condition: 'nowhere' },
    }),
    /training\.condition: there is no trained VQGAN of the condition at nowhere/,
  ],
  [
    'a size that the stride does not divide',
    () =>
      conditional({
        ...trained,
        params: { ...trained.params, ddconfig: { ...trained.params.ddconfig, ch_mult: [1, 1, 1, 1, 1, 1] } },
      }),
    /data\.size must be a multiple of 32/,
  ],
];

for (const [what, config, message] of refusals) {
  test.serial(`refused before anything is written: ${what}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    await t.throwsAsync(TransformerTrainer.create(config(), { run }), { message });
    t.false(existsSync(join(run, 'checkpoints')));
  });
}
