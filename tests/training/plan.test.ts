import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import * as torch from '../../src/torch/index.js';
import { saveSafetensors } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { writePictures } from '../data/pictures/pictures.js';
import { eventsOf, images, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

type Config = ReturnType<typeof vqganConfig>;
type FirstStage = { first_stage_config: Config['model'] };

/** Faults, the changes that cause them, and the errors. */
const vqganFaults: [string, (config: Config, folder: string) => unknown, RegExp][] = [
  [
    'a size that does not divide',
    (c) => Object.assign(c.data, { size: 17 }),
    /data\.size must be a multiple of 2/,
  ],
  [
    'two channels',
    (c) => Object.assign(c.model.params.ddconfig, { in_channels: 2 }),
    /both must be 3 \(RGB\), or both 1 \(grey\)/,
  ],
  [
    'a size with one code',
    (c) => Object.assign(c.data, { size: 2 }),
    /data\.size must be a multiple of 2, .*, and at least 4; got 2/,
  ],
  ['a missing LPIPS file', (c, folder) => lpips(c, join(folder, 'gone.pth')), /there is no file .*gone\.pth/],
  [
    'an LPIPS file of other weights',
    async (c, folder) => {
      await saveSafetensors(join(folder, 'other.safetensors'), { a: torch.zeros([1]) });
      lpips(c, join(folder, 'other.safetensors'));
    },
    /does not contain the reference's LPIPS weights/,
  ],
  [
    'a discriminator too deep',
    (c) => Object.assign(c.model.params.lossconfig.params, { disc_num_layers: 3 }),
    /disc_num_layers is 3/,
  ],
  ['no end', (c) => Object.assign(c.training, { steps: undefined }), /a run needs an end/],
  [
    'a device that is not there',
    (c) => Object.assign(c.training, { device: 'cuda:77' }),
    /cuda:77|no CUDA device/,
  ],
  [
    'a run of that name',
    (_, folder) => writeFileSync(join(made(folder), 'config.yaml'), ''),
    /already contains a run/,
  ],
  [
    'a run that is being started',
    (_, folder) => {
      const owner = { pid: process.pid, host: `not-${hostname()}`, started: 'now', begun: null, token: 'x' };
      writeFileSync(join(made(folder), 'run.lock'), JSON.stringify(owner));
    },
    /is being trained by process/,
  ],
  [
    'a file where the folder goes',
    (_, folder) => writeFileSync(join(folder, 'run'), ''),
    /part of the path is a file/,
  ],
  [
    'missing images',
    (c, folder) => Object.assign(c.data, { path: join(folder, 'gone') }),
    /there is no such folder/,
  ],
  ['more held out than there are', (c) => Object.assign(c.data, { heldOut: 99 }), /cannot hold out 99/],
];

function lpips(config: Config, file: string): void {
  Object.assign(config.training, { lpips: file });
  config.model.params.lossconfig.params.perceptual_weight = 1;
}

function made(folder: string): string {
  mkdirSync(join(folder, 'run'));
  return join(folder, 'run');
}

/** The message of an error, or that there was none. */
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: Error) => error.message,
  );

async function withPictures(t: ExecutionContext): Promise<{ folder: string; config: Config }> {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'photos'));
  await writePictures(join(folder, 'photos'), 6, 16);
  const config = structuredClone(vqganConfig({ steps: 1 }));
  Object.assign(config.data, { path: join(folder, 'photos') });
  return { folder, config };
}

for (const [what, spoil, message] of vqganFaults) {
  test.serial(`a plan of a first stage is refused as the run is: ${what}`, async (t) => {
    const { folder, config } = await withPictures(t);
    await spoil(config, folder);
    const before = readdirSync(folder, { recursive: true });
    const run = join(folder, 'run');
    const planned = await failure(VqganTrainer.plan(config, { run }));
    t.regex(planned, message);
    t.deepEqual(readdirSync(folder, { recursive: true }), before);
    t.is(await failure(VqganTrainer.create(config, { run })), planned);
  });
}

test.serial('a plan tells what the run will say when it starts, and writes nothing', async (t) => {
  const { folder, config } = await withPictures(t);
  writeFileSync(join(folder, 'photos', 'x.bmp'), '');
  Object.assign(config.training, { minutes: 1 });
  const run = join(folder, 'run');
  const plan = await VqganTrainer.plan(config, { run });
  t.deepEqual(readdirSync(folder), ['photos']);
  const [start] = await eventsOf(await VqganTrainer.create(config, { run }));
  const { images: counts, parameters, notes } = plan;
  t.like(start, { images: counts, parameters, notes });
  t.regex(notes.join('\n'), /ignored because of their extension: 1 \(1 \.bmp/);
});

test.serial('a plan of a second stage is refused as the run is', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
  const run = join(folder, 'run');
  const good = () => structuredClone(transformerConfig(vqgan, { steps: 1 }));
  const gpt = (params: object) => {
    const config = good();
    Object.assign(config.model.params.transformer_config.params, params);
    return config;
  };
  const second = (params: object) => {
    const config = good();
    Object.assign(config.model.params, params);
    return config;
  };
  const classes = good();
  const labelator = { target: 'taming.modules.util.Labelator', params: {} };
  Object.assign(classes.model.params, { unconditional: undefined, cond_stage_config: labelator });
  const spiral = good();
  const permuter_config = { target: 'taming.modules.transformer.permuter.SpiralOut', params: { H: 4, W: 4 } };
  Object.assign(spiral.model.params, { permuter_config });
  const other = join(folder, 'other');
  mkdirSync(other);
  const lost = join(folder, 'lost.safetensors');
  await saveSafetensors(lost, { a: torch.zeros([1]) });
  const file = structuredClone(transformerConfig(lost, { steps: 1 }));
  Object.assign(file.model.params, { first_stage_config: vqganConfig().model });
  const described = (size: number, ddconfig: object = {}) => {
    const config = structuredClone(file);
    Object.assign(config.data, { size });
    Object.assign(config.model.params, { first_stage_config: structuredClone(vqganConfig().model) });
    Object.assign(
      (config.model.params as unknown as FirstStage).first_stage_config.params.ddconfig,
      ddconfig,
    );
    return config;
  };
  for (const [config, message] of [
    [gpt({ block_size: 9 }), /block_size is 9/],
    [gpt({ n_head: 3 }), /nHead/],
    [{ ...good(), data: { path: 'stripes', size: 8 } }, /set data\.size=16/],
    [spiral, /permuter_config: .*Images have 8 × 8 codes: set its H and W to 8/],
    [second({ pkeep: -1 }), /pkeep must be a number from 0 to 1, the share of tokens .*; got -1/],
    [second({ sos_token: 16 }), /vocab_size is 16, .* need at least 17/],
    [classes, /have no classes to learn from/],
    [structuredClone(transformerConfig(other, { steps: 1 })), /other is not a run/],
    [file, /does not match model\.params\.first_stage_config/],
    [described(17), /data\.size must be a multiple of 2, .* got 17\./],
    [
      described(1),
      /data\.size must be a multiple of 2, .*, and at least 4; got 1\. The nearest valid size is 4/,
    ],
    [
      described(2),
      /data\.size must be a multiple of 2, .*, and at least 4; got 2\. The nearest valid size is 4/,
    ],
    [described(16, { in_channels: 2 }), /first_stage_config\.params\.ddconfig has in_channels 2/],
    [described(16, { double_z: true }), /first_stage_config\.params\.ddconfig\.double_z is true/],
  ] as const) {
    const planned = await failure(TransformerTrainer.plan(config, { run, images: images() }));
    t.regex(planned, message);
    t.is(await failure(TransformerTrainer.create(config, { run, images: images() })), planned);
  }
  const plan = await TransformerTrainer.plan(good(), { run, images: images() });
  t.like(plan, { images: { train: 10, heldOut: 4 } });
  t.deepEqual(readdirSync(folder).sort(), ['lost.safetensors', 'other', 'vqgan']);
});

test.serial('a second stage begins on codes that weights from before a remap know nothing of', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'whole.safetensors');
  await saveSafetensors(path, modelFromConfig(vqganConfig().model).stateDict());
  const config = structuredClone(transformerConfig(path));
  const first = structuredClone(vqganConfig().model);
  Object.assign(first.params, { remap: [1, 5, 6] });
  Object.assign(config.model.params, { first_stage_config: first });
  await t.notThrowsAsync(TransformerTrainer.plan(config, { run: join(folder, 'run'), images: images() }));
});

test.serial('a vocabulary that is left out holds the token that sequences begin with, too', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'whole.safetensors');
  await saveSafetensors(path, modelFromConfig(vqganConfig().model).stateDict());
  const config = structuredClone(transformerConfig(path, { steps: 1 }));
  const { block_size, n_layer, n_head, n_embd } = config.model.params.transformer_config.params;
  const transformer_config = { ...config.model.params.transformer_config };
  Object.assign(transformer_config, { params: { block_size, n_layer, n_head, n_embd } });
  const first_stage_config = vqganConfig().model;
  Object.assign(config.model.params, { transformer_config, first_stage_config, sos_token: 20 });
  const run = join(folder, 'run');
  await t.notThrowsAsync(async () =>
    eventsOf(await TransformerTrainer.create(config, { run, images: images() })),
  );
});
