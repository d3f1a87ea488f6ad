import { readdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import * as torch from '../../src/torch/index.js';
import { classesAmong, spreadOver } from '../../src/training/stages/transformer/classes.js';
import { saveLabelledGrid } from '../../src/reports/labelled-grid.js';
import { NonFiniteError } from '../../src/runs/error.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-previews-'));
const vqgan = join(root, 'vqgan');

test.before(async () => {
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** A second stage on class labels, with sizes filled in. */
function classConfig(training: Record<string, unknown>) {
  const config = transformerConfig(vqgan, training);
  const { unconditional: _, ...params } = config.model.params;
  const { vocab_size: __, block_size: ___, ...gpt } = params.transformer_config.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator' };
  const transformer_config = { ...params.transformer_config, params: gpt };
  return {
    ...config,
    model: { ...config.model, params: { ...params, cond_stage_config, transformer_config } },
  };
}

/** Returns the EXIF data of a PNG as ASCII. */
async function described(path: string): Promise<string> {
  return (await sharp(path).metadata()).exif?.toString('latin1') ?? '';
}

test('more classes than codes train, and previews show several, each under its name', async (t) => {
  const classes = Array.from({ length: 40 }, (_, i) => `kind ${i}`); // over 16 codes
  const run = join(temporaryFolder(t), 'run');
  const config = classConfig({ steps: 2, imagesEvery: 1, samples: 6 });
  const trainer = await TransformerTrainer.create(config, { run, images: images(classes) });
  t.is(trainer.net.transformer.vocabSize, 40);
  t.is(trainer.net.transformer.nCodes, 16);
  const events = await eventsOf(trainer);
  const first = events.flatMap((event) => (event.type === 'images' ? [event.path] : []))[0]!;
  t.is(readdirSync(join(run, 'images')).filter((name) => name.startsWith('samples')).length, 2);
  // Ten pictures to train on have ten of the classes.
  t.regex(await described(first), /\{"classes":\["kind 0","kind 1","kind 3","kind 5","kind 6","kind 8"\]\}/);
  const { width, height } = await sharp(first).metadata();
  // Three a row, 128 pixels each, with captions.
  t.is(width, 3 * 128 + 2 * 2);
  t.true(height > 2 * 128 + 2 + 2 * 10);
});

test('previews without classes carry no names', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const config = transformerConfig(vqgan, { steps: 1, samples: 4 });
  const events = await eventsOf(await TransformerTrainer.create(config, { run, images: images() }));
  const path = events.flatMap((event) => (event.type === 'images' ? [event.path] : []))[0]!;
  t.is(await described(path), '');
  t.like(await sharp(path).metadata(), { width: 258, height: 258, channels: 3 });
});

test('a preview of a model that has become NaN names the last good checkpoint', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const config = transformerConfig(vqgan, { steps: 3, imagesEvery: 1, logEvery: 100 });
  const trainer = await TransformerTrainer.create(config, { run, images: images() });
  const { weight } = trainer.net.transformer.head;
  const events = trainer.run();
  await events.next();
  torch.noGrad(() => void weight.fill_(NaN));
  await t.throwsAsync(
    async () => {
      for await (const _ of events);
    },
    { instanceOf: NonFiniteError, message: /no image can be sampled.*NaN.*last good checkpoint/s },
  );
});

test('classes are spread evenly over the images of a grid', (t) => {
  const ten = Array.from({ length: 10 }, (_, i) => i);
  for (const [classes, count, expected] of [
    [[0, 1, 2], 6, [0, 0, 1, 1, 2, 2]],
    [[0, 1, 2], 4, [0, 0, 1, 2]],
    [[4, 7], 2, [4, 7]],
    [ten, 5, [0, 2, 4, 6, 8]],
    [[5], 3, [5, 5, 5]],
    [ten, 1, [0]],
  ] as const) {
    t.deepEqual(spreadOver(classes, count), [...expected]);
  }
  t.deepEqual(classesAmong(torch.tensor([3n, 0n, 3n, 12n, 0n])), [0, 3, 12]);
});

test('a caption is the name, its beginning, or the number where letters lack', async (t) => {
  const folder = temporaryFolder(t);
  /** Dark pixels under a white picture. */
  const ink = async (name: string, number = 7) => {
    const path = join(folder, 'grid.png');
    await saveLabelledGrid(path, torch.ones([1, 3, 64, 64]), [{ class: number, name }]);
    const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
    t.like(info, { channels: 3, width: 64 });
    t.true(
      data.subarray(0, 64 * 64 * 3).every((value) => value === 255),
      'nothing over the image',
    );
    return Buffer.from(data.subarray(64 * 64 * 3)).toString('hex');
  };
  const robin = await ink('robin');
  t.regex(robin, /^(ff)*[0-9a-e]/);
  t.is(await ink('Robin'), robin);
  t.not(await ink('raven'), robin);
  t.is(await ink('鳥'), await ink('class 7'));
  t.is(await ink('golden_retriever'), await ink('golden retriever'));
  t.is(await ink('', 12), await ink('class 12'));
});
