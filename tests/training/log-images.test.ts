/** The grid of the reference's log_images that runs of a second stage write. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import type { ConditionInput } from '../../src/models/conditions/condition.js';
import type { Net2NetTransformer } from '../../src/models/two-stage.js';
import { writeReport } from '../../src/reports/run-report.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { logImages, sampleTokens } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { eventsOf, images, lossesOf, SIZE, trainFirstStages, transformerConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-log-images-'));
const place = (name: string) => join(root, name);
const classes = ['ash', 'elm', 'oak'];
const seed = 5;
const topK = 7;

test.before(() => trainFirstStages(place));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Trains a second stage for three steps; without `condition` it is unconditional. */
async function trained(name: string, condition: unknown, training: Record<string, unknown> = {}) {
  const config = transformerConfig(place('vqgan'), { steps: 3, samples: 3, seed, topK, ...training });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const transformer_config = { ...gpt, params: own };
  const params = { ...rest, transformer_config, ...(condition ? { cond_stage_config: condition } : {}) };
  const all = { ...config, model: { ...config.model, params } };
  const events = await eventsOf(
    await TransformerTrainer.create(all, { run: place(name), images: images(classes) }),
  );
  return { losses: lossesOf(events), files: readdirSync(join(place(name), 'images')).sort() };
}

/** Bytes of an image [1, C, H, W] as grids show it. */
const bytesOf = (image: Tensor) => Buffer.from(imageGrid(image, { scale: 128 / SIZE }).pixels);

/** Cells of a grid with captions, row by row. */
async function cellsOf(path: string, columns: number): Promise<Buffer[]> {
  const { height, width } = await sharp(path).metadata();
  if (width !== columns * 130 - 2) throw new Error(`${path} is ${width} pixels wide`);
  const places = Array.from({ length: ((height + 2) / 148) * columns }, (_, i) => ({
    left: (i % columns) * 130,
    top: Math.floor(i / columns) * 148,
  }));
  return Promise.all(
    places.map((from) =>
      sharp(path)
        .extract({ ...from, width: 128, height: 128 })
        .raw()
        .toBuffer(),
    ),
  );
}

const captionsIn = async (path: string) => {
  const [, list] = /\{"captions":(\[.*?\])\}/.exec((await sharp(path).metadata()).exif!.toString('latin1'))!;
  return JSON.parse(list!) as string[];
};

const logOf = (net: Net2NetTransformer, x: Tensor, c: ConditionInput, of = seed) => {
  torch.manualSeed(of);
  return logImages(net, x, c, { topK });
};

const label = { target: 'taming.modules.util.Labelator' };
const several = { target: 'tessera.conditions.Several', params: { conditions: [label] } };
const coordinates = {
  target: 'taming.modules.misc.coord.CoordStage',
  params: { n_embed: 15, down_factor: 4 },
};
/** Name, condition, further settings, fields of held-out images that it reads, and those of its columns. */
const kinds: [string, unknown, Record<string, unknown>, string[], string[]][] = [
  ['no condition', null, {}, [], []],
  ['classes', label, {}, ['label'], []],
  ['coordinates', coordinates, {}, ['coord'], ['coord']],
  ['classes and edges', several, { condition: place('edges') }, ['label', 'edges'], ['edges']],
];

for (const [name, condition, training, fields, shown] of kinds) {
  test.serial(`rows are what logImages gives for held-out images: ${name}`, async (t) => {
    const { files } = await trained(name, condition, training);
    t.deepEqual(files, ['log-images-0000003.png', 'samples-0000003.png']);
    const path = join(place(name), 'images', files[0]!);
    const columns = 5 + shown.length;
    const cells = await cellsOf(path, columns);
    t.is(cells.length, 3 * columns, 'as many rows as samples');

    const { model: net } = await openRun(place(name), 'transformer', 'cpu');
    const { image: x, fields: values } = await images(classes).heldOut.readExamples([0, 1, 2], fields);
    const list = fields.map((field) => values[field]!);
    const c = list.length > 1 ? list : (list[0] ?? x);
    const log = logOf(net, x, c);
    const maps = shown.map((field) => (field === 'coord' ? values[field]!.mul(2).sub(1) : values[field]!));
    const { inputs, reconstructions, samplesHalf, samplesNopix, samplesDet } = log;
    const all = [inputs, reconstructions, ...maps, samplesHalf, samplesNopix, samplesDet];
    const expected = [0, 1, 2].flatMap((i) => all.map((images) => bytesOf(images.narrow(0, i, 1))));
    for (const [i, cell] of cells.entries()) t.true(cell.equals(expected[i]!), `cell ${i}`);
    t.is(new Set(expected.map((bytes) => bytes.toString('hex'))).size >= 3 * 3, true);

    const names = ['reconstruction', ...shown, 'half given', 'sampled', 'greedy'];
    const firsts = fields.includes('label') ? ['elm', 'oak', 'ash'] : ['input', 'input', 'input'];
    t.deepEqual(
      await captionsIn(path),
      firsts.flatMap((first) => [first, ...names]),
    );
    t.regex(readFileSync(await writeReport(place(name)), 'utf8'), /<figcaption>log-images-0000003\.png</);
  });
}

test.serial('half of the codes are those of the image, and greedy samples repeat', async (t) => {
  const { model: net } = await openRun(place('classes'), 'transformer', 'cpu');
  const { image: x, fields } = await images(classes).heldOut.readExamples([0, 1, 2], ['label']);
  const path = join(place('classes'), 'images', 'log-images-0000003.png');
  const cells = await cellsOf(path, 5);
  const codes = net.encodeToZ(x).indices;
  torch.manualSeed(seed);
  const prefix = codes.narrow(1, 0, 32);
  const half = sampleTokens(net, net.encodeToC(fields['label']!).indices, 32, { prefix, topK });
  t.deepEqual(half.narrow(1, 0, 32).tolist(), prefix.tolist());
  t.notDeepEqual(half.tolist(), codes.tolist());
  const pictures = net.decodeToImg(half);
  const again = logOf(net, x, fields['label']!, seed + 1);
  for (const i of [0, 1, 2]) {
    t.true(cells[i * 5 + 2]!.equals(bytesOf(pictures.narrow(0, i, 1))), 'half');
    t.true(cells[i * 5 + 4]!.equals(bytesOf(again.samplesDet.narrow(0, i, 1))), 'greedy');
  }
  t.false(cells[3]!.equals(bytesOf(again.samplesNopix.narrow(0, 0, 1))), 'sampled');
});

test.serial('drawing changes neither losses nor checkpoints', async (t) => {
  const often = await trained('often', label, { imagesEvery: 1 });
  t.is(often.files.length, 6);
  const once = await trained('once', label, { imagesEvery: 100 });
  t.deepEqual(often.losses, once.losses);
  const filesOf = async (name: string) => (await newestCheckpoint(place(name))).state['files'];
  t.deepEqual(await filesOf('often'), await filesOf('once'));
  for (const name of once.files)
    t.deepEqual(
      readFileSync(join(place('often'), 'images', name)),
      readFileSync(join(place('once'), 'images', name)),
    );
});
