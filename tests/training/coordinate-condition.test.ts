/** A second stage conditioned on where its crops lie in wide images, which it then samples wider than it was trained. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { chooseCondition } from '../../src/cli/commands/sample/condition.js';
import { coordinateMap } from '../../src/data/fields/coordinates.js';
import { ImageSource } from '../../src/data/image-source.js';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import { openRun } from '../../src/runs/open.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { sampled } from '../cli/sampled.js';
import { eventsOf, SIZE, stripes, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-coordinates-'));
const [vqgan, run] = ['vqgan', 'run'].map((name) => join(root, name)) as [string, string];
const store = stripes(6, [], 40);
const images = {
  train: new ImageSource(store, SIZE, [0, 1, 2, 3]),
  heldOut: new ImageSource(store, SIZE, [4, 5]),
};
const ids = 24;

test.after.always(() => rmSync(root, { recursive: true, force: true }));

test('a run learns from positions of its crops, and its model draws wide images', async (t) => {
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images }));
  const config = transformerConfig(vqgan, { steps: 2, views: 3 });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const params = {
    ...rest,
    cond_stage_config: {
      target: 'taming.modules.misc.coord.CoordStage',
      params: { n_embed: ids, down_factor: 2 },
    },
    cond_stage_key: 'coord',
    transformer_config: { ...gpt, params: own },
  };
  const conditional = { ...config, model: { ...config.model, params } };
  await eventsOf(await TransformerTrainer.create(conditional, { run, images }));

  const codes = await loadCheckpoint(join(run, 'codes.safetensors'));
  const conditions = codes.tensors.get('conditions')!.tolist() as number[][];
  t.deepEqual(codes.tensors.get('heldOutConditions')!.shape, [2, 64]);
  codes.close();
  t.is(conditions.length, 4 * 3 * 2, 'three crops of each image, also mirrored');
  t.true(new Set(conditions.map(String)).size > 3, 'crops lie at different places');

  const { model: net } = await openRun(run, 'transformer', 'cpu');
  t.is(net.condition.field, 'coord');
  t.is(net.transformer.vocabSize, ids + 1);
  t.is(net.transformer.blockSize, 64 + 64 - 1);
  const condition = net.encodeToC(coordinateMap(SIZE, 40)).indices.view([1, 8, 20]);
  t.deepEqual(sampleWindowed(net, condition, { seed: 1 }).shape, [1, 8, 20]);

  const { row, described } = await chooseCondition(net, {}, { size: [SIZE, SIZE], names: [], run });
  t.deepEqual([(row as Tensor).tolist(), described], [coordinateMap(SIZE, SIZE).tolist(), '']);
  await t.throwsAsync(
    chooseCondition(net, { condition: 'map.png' }, { size: [SIZE, SIZE], names: [], run }),
    {
      message: /was trained without maps$/,
    },
  );
  const flags = ['--size', '40x16', '--n', '1', '--seed', '3'];
  const { pixels } = await sampled(join(root, 'wide'), run, ...flags);
  const generator = new torch.Generator().manualSeed(3);
  const wide = sampleWindowed(net, condition, { window: 8, topK: ids + 1, generator });
  const image = torch.noGrad(() => net.firstStageModel.decodeIndices(wide));
  t.is(
    pixels[0],
    Buffer.from(imageGrid(image).pixels).toString('hex'),
    'where a window lies in the image counts',
  );
});
