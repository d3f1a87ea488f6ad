import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { reconstruct } from '../../src/cli/commands/reconstruct/run.js';
import { rgbToGrey } from '../../src/data/pictures/picture.js';
import { openImages } from '../../src/data/open-images.js';
import { packImages } from '../../src/data/packed/pack-images.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import { saveSafetensors } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import { openRun } from '../../src/runs/open.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { folderFor, writePictures } from '../data/pictures/pictures.js';
import { eventsOf, images, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

/** The tiny configuration for grey images, as in the reference: one channel in, one out. */
function greyConfig(training: Record<string, unknown> = {}, loss: Record<string, unknown> = {}) {
  const config = vqganConfig({ steps: 2, ...training });
  const { params } = config.model;
  params.ddconfig.in_channels = params.ddconfig.out_ch = 1;
  Object.assign(params.lossconfig, { params: { ...params.lossconfig.params, ...loss } });
  return config;
}

test('LPIPS takes grey images as RGB images of three equal channels', (t) => {
  const lpips = new LPIPS();
  torch.scope(() => {
    const [a, b] = [torch.rand([2, 1, 16, 16]), torch.rand([2, 1, 16, 16])];
    const grey = lpips.forward(a, b).flatten().tolist();
    t.deepEqual(
      grey,
      lpips
        .forward(a.expand([-1, 3, -1, -1]), b.expand([-1, 3, -1, -1]))
        .flatten()
        .tolist(),
    );
  });
  for (const channels of [2, 4]) {
    const x = torch.zeros([1, channels, 16, 16]);
    t.throws(() => lpips.forward(x, x), { message: /\[B, 3, H, W\] or \[B, 1, H, W\] \(grey\)/ });
  }
});

test.serial('both stages train on grey images, with LPIPS', async (t) => {
  const folder = temporaryFolder(t);
  const lpips = join(folder, 'lpips.safetensors');
  await saveSafetensors(lpips, new LPIPS().stateDict());
  const run = join(folder, 'vqgan');
  const config = greyConfig({ lpips }, { perceptual_weight: 1 });
  const first = await VqganTrainer.create(config, { run, images: images() });
  const events = await eventsOf(first);
  for (const log of lossesOf(events).values())
    t.true(log['perceptual'] !== 0 && Number.isFinite(log['rec']!));
  t.like(events.at(-1), { type: 'end', interrupted: false });
  t.is(readdirSync(join(run, 'images')).length, 1);
  t.is(first.config.data.channels, 1);
  t.deepEqual(
    lossesOf(
      await eventsOf(
        await VqganTrainer.resume(run, { images: images(), changes: { training: { steps: 3 } } }),
      ),
    ).size,
    1,
  );

  const out = join(folder, 'out');
  const [file] = await writePictures(folder, 1, 16);
  await reconstruct(run, [file!], { out, device: 'cpu', quiet: true });
  const [red, , blue] = (await sharp(join(out, '000.png')).stats()).channels;
  t.is(red!.mean, blue!.mean, 'a grey picture');

  const second = join(folder, 'transformer');
  const trainer = await TransformerTrainer.create(transformerConfig(run, { steps: 1 }), {
    run: second,
    images: images(),
  });
  await eventsOf(trainer);
  const { model } = await openRun(second, 'transformer');
  const codes = torch.zeros([1, 8, 8], { dtype: 'int64' });
  t.deepEqual(torch.noGrad(() => model.firstStageModel.decodeIndices(codes)).shape, [1, 1, 16, 16]);
});

test.serial(
  'a discriminator with one channel set explicitly, as the reference needs, is the same',
  async (t) => {
    const plan = (loss: object, run = join(temporaryFolder(t), 'run')) =>
      VqganTrainer.plan(greyConfig({}, { ...loss }), { run, images: images() });
    const [told, left] = [await plan({ disc_in_channels: 1 }), await plan({})];
    t.deepEqual(left.config.model, told.config.model);
    t.is(left.parameters, told.parameters);
  },
);

test('grey images are read as such: from colour by brightness, from files and packed alike', async (t) => {
  const folder = await folderFor(t);
  const [file] = await writePictures(folder, 3);
  const config = { path: folder, size: 8, heldOut: 0, channels: 1 } as const;
  const { train } = await openImages(config);
  t.is(train.channels, 1);
  const grey = await train.read([0, 1, 2]);
  t.deepEqual(grey.shape, [3, 1, 8, 8]);
  await packImages(config, join(folder, 'packed'));
  const packed = await openImages({ ...config, path: join(folder, 'packed') });
  t.deepEqual((await packed.train.read([0, 1, 2])).tolist(), grey.tolist());
  const pixels = await sharp(file).raw().toBuffer();
  t.deepEqual((await train.readBytes([0])).subarray(0, 1), rgbToGrey(pixels.subarray(0, 3)));
  t.deepEqual(
    [...rgbToGrey(Uint8Array.of(7, 7, 7, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255))],
    [7, 255, 76, 150, 29],
  );
  await t.throwsAsync(openImages({ ...config, channels: 2 as 1 }), {
    message: /data\.channels must be 3, or 1/,
  });
});
