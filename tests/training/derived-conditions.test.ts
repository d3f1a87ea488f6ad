/** Second stages conditioned on what is computed from each image: its edges, or its low resolution. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { UsageError } from '../../src/cli/usage-error.js';
import { addTrainedCodes, checkConditionCounts } from '../../src/cli/commands/trim/codes.js';
import { trim } from '../../src/cli/commands/trim/run.js';
import { chooseCondition } from '../../src/cli/commands/sample/condition.js';
import { edgesOf } from '../../src/data/fields/edges.js';
import { lowResolution, lowResolutionOf } from '../../src/data/fields/low-resolution.js';
import { rgbToGrey } from '../../src/data/pictures/picture.js';
import type { VQModel } from '../../src/models/autoencoder/vqgan.js';
import type { Condition } from '../../src/models/conditions/condition.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import { withoutLoss } from '../../src/models/registry/without-loss.js';
import { openRun } from '../../src/runs/open.js';
import { sampleImages } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, SIZE, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-derived-'));
const place = (name: string) => join(root, name);

/** A first stage of a field. */
function ofField(field: string, channels: number, data = {}) {
  const config = vqganConfig({ steps: 1 });
  const { params } = config.model;
  const ddconfig = { ...params.ddconfig, in_channels: channels, out_ch: channels };
  const model = { ...config.model, params: { ...params, ddconfig, image_key: field } };
  return { ...config, model, data: { ...config.data, ...data } };
}

/** A second stage conditioned on what the run encodes. */
function drawnFor(condition: string) {
  const config = transformerConfig(place('vqgan'), { steps: 2, condition: place(condition) });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const params = { ...rest, transformer_config: { ...gpt, params: own } };
  return { ...config, model: { ...config.model, params } };
}

test.before(async () => {
  for (const [name, config] of [
    ['vqgan', vqganConfig({ steps: 1 })],
    ['edges', ofField('edges', 1)],
    ['lr', ofField('lr', 3, { lrFactor: 2 })],
  ] as const) {
    await eventsOf(await VqganTrainer.create(config, { run: place(name), images: images() }));
  }
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const file = async (name: string, pixels: Uint8Array, channels: 1 | 3 = 3) => {
  const side = Math.sqrt(pixels.length / channels);
  await sharp(pixels, { raw: { width: side, height: side, channels } })
    .png()
    .toFile(place(name));
  return place(name);
};

const photo = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i % (SIZE * 3) < 24 ? 10 : 240));

for (const field of ['edges', 'lr']) {
  test.serial(`both stages learn from the field "${field}", and sample for a file`, async (t) => {
    const run = place(`from-${field}`);
    await eventsOf(await TransformerTrainer.create(drawnFor(field), { run, images: images() }));
    const codes = await loadCheckpoint(join(run, 'codes.safetensors'));
    t.deepEqual(codes.tensors.get('conditions')!.shape, [20, 64]);
    codes.close();
    const { model, config } = await openRun(run, 'transformer', 'cpu');
    t.is(model.condition.field, field);
    const low = lowResolutionOf(config.data);
    t.is(low.factor, field === 'lr' ? 2 : 4, 'as in the run of the condition');

    const choose = async (name: string, pixels: Uint8Array, channels?: 1) => {
      const condition = await file(name, pixels, channels);
      return (await chooseCondition(model, { condition }, { size: [SIZE, SIZE], names: [], run, low }))
        .row as torch.Tensor;
    };
    const row = await choose('photo.png', photo);
    const bytes = torch.tensor(photo).view([1, SIZE, SIZE, 3]).permute([0, 3, 1, 2]);
    const edges = edgesOf(photo, SIZE, SIZE);
    if (field === 'edges') {
      t.deepEqual(
        row.flatten().tolist(),
        Array.from(edges, (edge) => (edge > 0 ? 1 : -1)),
      );
      t.true(edges.some(Boolean));
      t.deepEqual((await choose('drawn.png', edges, 1)).tolist(), row.tolist(), 'drawn in white on black');
    } else {
      const small = lowResolution(bytes.div(127.5).sub(1), low);
      const pixels = small.slice(2, 0, SIZE, 2).slice(3, 0, SIZE, 2).add(1).mul(127.5).round();
      const picture = Uint8Array.from(pixels.permute([0, 2, 3, 1]).flatten().tolist() as number[]);
      t.deepEqual((await choose('small.png', picture)).tolist(), small.tolist(), 'enlarged as in training');
      t.deepEqual(row.shape, small.shape);
    }
    const { indices } = model.encodeToC(row);
    t.deepEqual(sampleImages(model, indices, { grid: [8, 8] }).shape, [1, 3, SIZE, SIZE]);
  });
}

test.serial('a VQGAN of images also encodes their low resolution', async (t) => {
  const { training, ...config } = drawnFor('lr');
  const { condition: _, ...own } = training as typeof training & { condition: string };
  const params = { ...config.model.params, cond_stage_config: '__is_first_stage__', cond_stage_key: 'lr' };
  const shared = { ...config, model: { ...config.model, params }, training: own };
  const run = place('shared');
  await eventsOf(await TransformerTrainer.create(shared, { run, images: images() }));
  t.is((await openRun(run, 'transformer', 'cpu')).model.transformer.blockSize, 64 + 64 - 1);
});

test.serial('trim counts the codes of a condition that the VQGAN of the images encodes', async (t) => {
  const run = place('shared');
  const { model } = await openRun(run, 'transformer', 'cpu');
  const counts = new Float64Array(model.firstStageModel.nCodes!);
  await addTrainedCodes(run, model, counts);
  using codes = await loadCheckpoint(join(run, 'codes.safetensors'));
  const parts = ['train', 'heldOut', 'conditions', 'heldOutConditions'].map(
    (key) => codes.tensors.get(key)?.numel() ?? 0,
  );
  t.true(parts[2]! > 0);
  t.is(
    counts.reduce((sum, one) => sum + one),
    parts.reduce((sum, one) => sum + one),
  );

  await t.notThrowsAsync(checkConditionCounts(run, model, undefined));
  const flags = { name: 'small', out: root, atLeast: 1, batch: 2, device: 'cpu', quiet: true } as const;
  await t.throwsAsync(trim(run, { ...flags, images: root }), {
    instanceOf: UsageError,
    message: /the condition "lr" of .* is encoded by its VQGAN too, .* leave --images out/,
  });
  await t.throwsAsync(checkConditionCounts(root, model, undefined), {
    instanceOf: UsageError,
    message: /has no codes\.safetensors that tells them/,
  });
});

test.serial('for a model of grey images, the small image of a condition becomes grey', async (t) => {
  const { model } = vqganConfig();
  const ddconfig = { ...model.params.ddconfig, in_channels: 1, out_ch: 1 };
  const grey = { ...model, params: { ...model.params, ddconfig } };
  const condStageModel = modelFromConfig<VQModel>(withoutLoss(grey));
  const condition = { field: 'lr' } as Condition;
  const flags = {
    condition: await file(
      'red.png',
      Uint8Array.from({ length: 192 }, (_, i) => (i % 3 ? 0 : 255)),
    ),
  };
  const how = { size: [SIZE, SIZE], names: [], run: 'run', low: { factor: 2, enlarge: 'nearest' } } as const;
  const { row } = await chooseCondition({ condition, condStageModel }, flags, how);
  const level = rgbToGrey(Uint8Array.of(255, 0, 0))[0]! / 127.5 - 1;
  t.deepEqual((row as torch.Tensor).shape, [1, 1, SIZE, SIZE]);
  t.true(torch.allclose(row as torch.Tensor, torch.full([1, 1, SIZE, SIZE], level)));
});

test.serial('a factor that does not divide the size is refused before anything is written', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const config = ofField('lr', 3, { lrFactor: 3 });
  await t.throwsAsync(VqganTrainer.create(config, { run, images: images() }), {
    message: /images of 16 pixels cannot be made 3 times smaller for the field "lr"/,
  });
  t.false(existsSync(run));
});
