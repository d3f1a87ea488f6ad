import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { presets } from '../../src/cli/commands/train/command.js';
import { ConfigSource } from '../../src/cli/commands/train/config-files.js';
import { presetNames } from '../../src/config/presets.js';
import { readTrainConfig, type TrainInput } from '../../src/cli/commands/train/config.js';
import { UsageError } from '../../src/cli/usage-error.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import { folder } from '../setup/fake-libtorch.js';

const input = (given: Partial<TrainInput>): TrainInput => ({
  files: [],
  flags: [['--data', 'data.path', 'photos']],
  overrides: [],
  ...given,
});

test('files merge left to right, overrides come last and are typed as YAML', async (t) => {
  const at = folder(t);
  writeFileSync(join(at, 'a.yaml'), 'training:\n  batchSize: 2\n  betas: [0.1, 0.2]\ndata: { flip: true }\n');
  writeFileSync(join(at, 'b.yaml'), 'training:\n  batchSize: 3\n');
  const { config } = await readTrainConfig(
    'vqgan',
    input({
      files: [join(at, 'a.yaml'), join(at, 'b.yaml')],
      overrides: [
        'training.learningRate=2e-3',
        'data.flip=false',
        'training.betas=[0.3, 0.4]',
        'training.steps=7',
      ],
    }),
  );
  t.like(config.training, {
    batchSize: 3,
    learningRate: 2e-3,
    betas: [0.3, 0.4],
    steps: 7,
    minutes: undefined,
  });
  t.like(config.data, { flip: false, path: 'photos', size: 64 });
  t.is(
    config.model.target,
    'taming.models.vqgan.VQModel',
    'the small preset lies under files without a model',
  );
});

test('the end that the command line asks for takes the place of the files\u2019', async (t) => {
  const at = folder(t);
  writeFileSync(join(at, 'a.yaml'), 'training: { minutes: 5 }\n');
  const read = (overrides: string[]) =>
    readTrainConfig('vqgan', input({ files: [join(at, 'a.yaml')], overrides }));
  t.like((await read([])).config.training, { minutes: 5, steps: undefined });
  t.like((await read(['training.steps=7'])).config.training, { minutes: undefined, steps: 7 });
  t.like((await read(['training.epochs=3'])).config.training, { minutes: undefined, epochs: 3 });
  t.like((await read(['training.steps=7', 'training.minutes=1'])).config.training, { minutes: 1, steps: 7 });
});

test('a mistake is named with its file and line and the nearest key', async (t) => {
  const at = folder(t);
  const file = join(at, 'run.yaml');
  const cases: [text: string, expected: RegExp][] = [
    [
      'training:\n  steps: 3\n  batchsise: 4\n',
      /run\.yaml:3: unknown key "training\.batchsise"; .*"training\.batchSize"\?/,
    ],
    ['trainign:\n  steps: 3\n', /run\.yaml:1: unknown key "trainign"; did you mean "training"\?/],
    ['steps: 3\n', /run\.yaml:1: unknown key "steps"; did you mean "training\.steps"\?/],
    ['training:\n  steps: many\n', /run\.yaml:2: training\.steps must be a positive integer, got "many"/],
    ['training: 3\n', /run\.yaml:1: "training" is a section/],
    ['data:\n  - a\n', /run\.yaml:1: "data" is a section/],
    ['training:\n  steps: [1\n', /run\.yaml:\d: not valid YAML/],
    ['- a\n', /run\.yaml: a configuration is a map/],
    [
      'model:\n  target: taming.models.vqgan.VQModle\n',
      /run\.yaml:2: model\.target: .*nearest is "taming\.models\.vqgan\.VQModel/,
    ],
    [
      'model:\n  target: taming.models.vqgan.VQModel\n  params:\n    ddconfig:\n      z_chanels: 3\n',
      /run\.yaml:5: unknown key "model\.params\.ddconfig\.z_chanels"; .*z_channels"\?/,
    ],
    [
      'model:\n  target: taming.models.vqgan.VQModel\n  params:\n    lossconfig:\n      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator\n      params: { disc_stat: 0 }\n',
      /run\.yaml:6: .*disc_start"\?/,
    ],
  ];
  for (const [text, expected] of cases) {
    writeFileSync(file, text);
    const error = await t.throwsAsync(readTrainConfig('vqgan', input({ files: [file] })), {
      instanceOf: UsageError,
    });
    t.regex(error.message, expected);
    t.false(error.message.includes('\n'), 'one line');
  }
});

for (const [kind, make] of [
  ['folder', (path: string) => mkdirSync(path)],
  ['file', (path: string) => writeFileSync(path, 'no configuration')],
] as const) {
  test.serial(`the preset under everything is the package's own next to a ${kind} of its name`, async (t) => {
    const [at, before] = [folder(t), process.cwd()];
    make(join(at, 'small'));
    mkdirSync(join(at, 'faces'));
    process.chdir(at);
    try {
      const { config } = await readTrainConfig('vqgan', input({}));
      t.is(config.data.size, 64);
      const faces = await readTrainConfig('vqgan', input({ files: ['faces'] }));
      t.is(faces.config.data.size, 256);
    } finally {
      process.chdir(before);
    }
  });
}

test('a folder instead of a configuration is called one, and so is a name that Node could not read', async (t) => {
  const at = folder(t);
  const reading = (name: string) => readTrainConfig('vqgan', input({ files: [name] }));
  const plain = await t.throwsAsync(reading(at), { instanceOf: UsageError });
  t.regex(plain.message, /this is a folder; name a YAML file, or a preset/);
  writeFileSync(join(at, 'config.yaml'), '');
  t.regex((await t.throwsAsync(reading(at))).message, /name the file in it, .*config\.yaml/);
  t.regex((await t.throwsAsync(reading(join(at, 'caf\ufffd.yaml')))).message, /not UTF-8: rename the file/);
});

test('so is one in an override or a flag', async (t) => {
  const read = (overrides: string[]) => readTrainConfig('vqgan', input({ overrides }));
  await t.throwsAsync(read(['training.stpes=3']), {
    message: /^"training\.stpes=3": unknown key .*"training\.steps"\?/,
  });
  await t.throwsAsync(read(['steps']), { message: /written key\.sub=value/ });
  await t.throwsAsync(read(['training.steps=[']), { message: /not a YAML value/ });
  await t.throwsAsync(read(['data.path.sub=1']), { message: /data\.path has no keys below it/ });
  await t.throwsAsync(readTrainConfig('vqgan', input({ flags: [] })), { message: /--data DIR/ });
  await t.throwsAsync(readTrainConfig('vqgan', input({ files: ['smal'] })), {
    message: /nearest preset is "small"/,
  });
  await t.throwsAsync(readTrainConfig('vqgan', input({ files: ['no/such.yaml'] })), {
    message: /no\/such\.yaml: there is no such configuration file/,
  });
});

test("the reference's own files work; what their data and Lightning sections mean here is taken", async (t) => {
  const at = folder(t);
  const file = join(at, 'project.yaml');
  writeFileSync(
    file,
    `model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: 8
    n_embed: 16
    monitor: val/rec_loss
    ddconfig: { double_z: false, z_channels: 8, resolution: 32, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 1],
      num_res_blocks: 1, attn_resolutions: [16], dropout: 0.0 }
    lossconfig:
      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator
      params: { disc_start: 10000, disc_weight: 0.8 }
data:
  target: main.DataModuleFromConfig
  params: { batch_size: 5 }
lightning:
  trainer: { benchmark: true }
`,
  );
  const read = (overrides: string[] = []) =>
    readTrainConfig('vqgan', input({ files: [file], overrides: ['training.steps=1', ...overrides] }));
  const { config, notes } = await read();
  t.is(config.data.size, 32);
  t.is(config.training.batchSize, 5);
  t.is(config.training.learningRate, 4.5e-6 * 5);
  t.deepEqual(notes, [
    "taken from the reference's sections: training.batchSize=5 (data.params.batch_size)",
    'ignored: lightning.trainer.benchmark',
  ]);
  // What is set here comes before what is meant there.
  t.is((await read(['training.batchSize=3'])).config.training.batchSize, 3);
  const list = join(at, 'train.txt');
  writeFileSync(list, 'a.png\n');
  const whole = `  target: main.DataModuleFromConfig
  params:
    batch_size: 12
    num_workers: 8
    train: { target: taming.data.custom.CustomTrain, params: { training_images_list_file: ${list}, size: 48 } }
    validation: { target: taming.data.custom.CustomTest, params: { test_images_list_file: ${list}, size: 48 } }
lightning: { trainer: { max_steps: 700, accumulate_grad_batches: 2, gradient_clip_val: 0.5, precision: 16 } }
`;
  writeFileSync(file, readFileSync(file, 'utf8').replace(/  target: main.*$/s, whole));
  const all = await readTrainConfig('vqgan', input({ files: [file], flags: [] }));
  t.like(all.config.training, {
    batchSize: 12,
    accumulate: 2,
    clipNorm: 0.5,
    steps: 700,
    learningRate: 4.5e-6 * 24,
  });
  t.like(all.config.data, { size: 48, path: list, heldOutPath: list });
  t.regex(all.notes[1]!, /ignored: data\.params\.num_workers, .*lightning\.trainer\.precision$/);
});

test('merge keys and references are read as OmegaConf reads them, over all files together', async (t) => {
  const at = folder(t);
  const [first, second] = [join(at, 'first.yaml'), join(at, 'second.yaml')];
  writeFileSync(
    first,
    `vars: { width: 32, end: 70 }
loss: &loss
  disc_start: 0
  disc_weight: 0.5
  disc_ndf: 16
few: &few { disc_num_layers: 1, disc_ndf: 8 }
model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: \${.ddconfig.z_channels}
    n_embed: 16
    ddconfig: { double_z: false, z_channels: "\${vars.width}", resolution: "\${data.size}", in_channels: 3,
      out_ch: "\${.in_channels}", ch: "\${vars.width}", ch_mult: [1, 1], num_res_blocks: 1,
      attn_resolutions: ["\${..resolution}"], dropout: 0.0 }
    lossconfig:
      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator
      params:
        <<: [*few, *loss]
        disc_weight: 0.25
data: { path: "pictures/\${vars.width}\${data.size}", target: main.DataModuleFromConfig, params: { batch_size: 6 } }
lightning: { trainer: { max_steps: "\${vars.end}" } }
`,
  );
  writeFileSync(second, 'data: { size: 16 }\ntraining: { batchSize: "${data.params.batch_size}" }\n');
  const { config } = await readTrainConfig('vqgan', {
    files: [first, second],
    flags: [],
    overrides: ['training.seed=${model.params.n_embed}'],
  });
  t.like(config.model.params, { embed_dim: 32, n_embed: 16 });
  t.like(config.model.params!['ddconfig'], {
    z_channels: 32,
    resolution: 16,
    out_ch: 3,
    attn_resolutions: [16],
  });
  const { params: loss } = config.model.params!['lossconfig'] as { params: unknown };
  t.deepEqual(loss, { disc_start: 0, disc_weight: 0.25, disc_ndf: 8, disc_num_layers: 1 });
  t.like(config.training, { batchSize: 6, seed: 16, steps: 70 });
  t.is(config.data.path, 'pictures/3216');
  t.notThrows(() => modelFromConfig(config.model, { init: false }));
});

test('a reference that cannot be followed is named with its file, its line and the nearest key', async (t) => {
  const file = join(folder(t), 'run.yaml');
  const cases: [text: string, expected: RegExp][] = [
    [
      'training:\n  steps: ${data.sise}\ndata: { size: 3 }\n',
      /run\.yaml:2: training\.steps: "\$\{data\.sise\}" refers to nothing.*"data\.size"\?/,
    ],
    [
      'training:\n  steps: ${.seed}\n  seed: ${.steps}\n',
      /training\.(steps|seed).*circular reference: training\./,
    ],
    ['training:\n  steps: ${now:%Y}\n', /run\.yaml:2:.*unknown resolver now/],
    ['training:\n  steps: ${data.size\n', /run\.yaml:2:.*not closed/],
    ['training:\n  <<: *nothing\n', /run\.yaml:\d: "\*nothing" refers to nothing/],
    ['vars: { a: 1 }\ntraining: { steps: 3 }\n', /run\.yaml:1: unknown key "vars"/],
  ];
  for (const [text, expected] of cases) {
    writeFileSync(file, text);
    const error = await t.throwsAsync(readTrainConfig('vqgan', input({ files: [file] })), {
      instanceOf: UsageError,
    });
    t.regex(error.message, expected);
    t.false(error.message.includes('\n'), 'one line');
  }
});

test('every preset resolves, and builds its model where that is quick', async (t) => {
  for (const stage of ['vqgan', 'transformer'] as const) {
    t.deepEqual(presetNames(stage), [...presets[stage]].sort(), 'the help names them all');
  }
  for (const name of presetNames('vqgan')) {
    const { config } = await readTrainConfig('vqgan', input({ files: [name] }));
    t.notThrows(() => modelFromConfig(config.model, { init: false }), name);
  }
});

test('a place is found for keys that lie deeper than what was written', async (t) => {
  const source = new ConfigSource();
  source.readText('data:\n  path: x\n', 'a.yaml');
  source.override('data.size=3');
  t.is(source.where('data.path'), 'a.yaml:2');
  t.is(source.where('data.nothing'), 'a.yaml:1');
  t.is(source.where('data.size'), '"data.size=3"');
  t.is(source.where('training'), null);
});
