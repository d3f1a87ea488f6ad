import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import type { ImportFlags } from '../../src/cli/commands/import/command.js';
import { importFile } from '../../src/cli/commands/import/run.js';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import { inspectFile } from '../../src/cli/commands/inspect/run.js';
import { reconstruct } from '../../src/cli/commands/reconstruct/run.js';
import { sample } from '../../src/cli/commands/sample/run.js';
import { temporaryOf } from '../../src/files/temporary.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import { newestCheckpoint, weightsOf } from '../../src/runs/checkpoint.js';
import { describeCheckpointFile, withWeights } from '../../src/runs/checkpoint-file.js';
import { RunError } from '../../src/runs/error.js';
import { writeImportedRun } from '../../src/runs/import.js';
import { openRun } from '../../src/runs/open.js';
import { sampleImages } from '../../src/sampling/images.js';
import { ImageTokenizer } from '../../src/tokenizer/image-tokenizer.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint, savePytorch } from '../../src/torch/io/index.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { png, runs } from '../tokenizer/tokenizers.js';
import { images, transformerConfig, vqganConfig } from '../training/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-import-'));
const out = join(root, 'runs');
const photo = join(root, 'photo.png');
let made: Awaited<ReturnType<typeof runs>>;
/** Weights by key of the runs of both stages. */
let first: Map<string, Tensor>;
let second: Map<string, Tensor>;

const tensorsOf = async (run: string) =>
  new Map((await loadCheckpoint(weightsOf(await newestCheckpoint(run)))).tensors);

const models = {
  first: vqganConfig().model,
  second: {
    ...transformerConfig('').model,
    params: {
      ...transformerConfig('').model.params,
      first_stage_config: {
        ...vqganConfig().model,
        params: { ...vqganConfig().model.params, ckpt_path: 'gone.ckpt' },
      },
      cond_stage_config: '__is_unconditional__',
    },
  },
  /** The same first stage as `first`, by a target that does not say how codes are chosen. */
  vectors: (more: object = {}) => {
    const { n_embed, embed_dim, ...params } = vqganConfig().model.params;
    const quantizer = {
      target: 'tessera.quantizers.Vector',
      params: { n_embed, embed_dim, legacy: true, ...more },
    };
    return { target: 'tessera.autoencoder.FirstStage', params: { ...params, quantizer } };
  },
};

test.before(async () => {
  made = await runs();
  [first, second] = [await tensorsOf(made.vqgan), await tensorsOf(made.transformer)];
  writeFileSync(photo, await png(16, 16));
});
test.after.always(() => {
  made.remove();
  rmSync(root, { recursive: true, force: true });
});

const without = (weights: ReadonlyMap<string, Tensor>, start: string) =>
  [...weights].filter(([key]) => !key.startsWith(start));

let count = 0;
/** Writes a checkpoint as Lightning does, and the YAML of a model. */
async function published(weights: Iterable<[string, Tensor]>, model: object, data?: object) {
  const name = join(root, `published-${count++}`);
  await savePytorch(`${name}.ckpt`, { state_dict: Object.fromEntries(weights), global_step: 9 });
  writeFileSync(`${name}.yaml`, JSON.stringify({ model, ...(data && { data }) }));
  return { file: `${name}.ckpt`, config: `${name}.yaml` };
}

async function imported(
  from: { file: string; config: string },
  name: string,
  flags: Partial<ImportFlags> = {},
) {
  await importFile(from.file, { config: from.config, name, out, quiet: true, ...flags });
  return join(out, name);
}

const pixels = async (file: string) => (await sharp(file).raw().toBuffer()).toString('hex');
const how = { device: 'cpu', quiet: true } as const;
const drawing = { ...how, n: 2, temperature: 1, seed: 3, batch: 2 };

test.serial('a first stage becomes a run that every command takes', async (t) => {
  const run = await imported(await published(first, models.first), 'first');
  t.deepEqual(readdirSync(run).sort(), ['README.md', 'checkpoints', 'config.yaml', 'environment.json']);
  t.deepEqual(readdirSync(out), ['first']);
  using own = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
  using foreign = await ImageTokenizer.open(run, { device: 'cpu' });
  t.deepEqual([foreign.fingerprint(), foreign.size], [own.fingerprint(), 16]);
  for (const each of [made.vqgan, run])
    await reconstruct(each, [photo], { ...how, out: join(root, 'pixels', each) });
  const shown = [made.vqgan, run].map((each) => pixels(join(root, 'pixels', each, 'photo.png')));
  t.is(await shown[0], await shown[1]);
  t.regex(await inspectFile(run, {}), /model +VQModel f2, 16 codes of width 8/);
  t.regex(readFileSync(join(run, 'README.md'), 'utf8'), /imported from `published-\d+\.ckpt`: .*loss\.\*/);
  const trainer = await TransformerTrainer.create(transformerConfig(run), {
    run: join(root, 'on-first'),
    images: images(),
  });
  t.is(trainer.config.training.vqgan, run);
  await trainer.close();
});

test.serial('the discriminator is kept for training', async (t) => {
  const kept = await tensorsOf(join(out, 'first'));
  t.deepEqual([...kept.keys()].sort(), [...first.keys()].sort());
  t.true([...kept.keys()].some((key) => key.startsWith('loss.discriminator.')));
});

test.serial('an imported run has nothing to resume', async (t) => {
  await t.throwsAsync(VqganTrainer.resume(join(out, 'first')), {
    instanceOf: RunError,
    message: /--from .*first/,
  });
});

test.serial(
  'a transformer is one run with its first stage, and may also be used from its file',
  async (t) => {
    const from = await published(second, models.second);
    const run = await imported(from, 'second');
    t.notRegex(readFileSync(join(run, 'config.yaml'), 'utf8'), /gone\.ckpt/);
    const drawn = async (source: string, config?: string) => {
      const folder = join(root, `drawn-${count++}`);
      await sample(source, { ...drawing, out: folder, ...(config !== undefined && { config }) });
      return Promise.all(['0000.png', '0001.png'].map((file) => pixels(join(folder, file))));
    };
    const expected = await drawn(made.transformer);
    t.deepEqual(await drawn(run), expected);
    t.deepEqual(await drawn(from.file, from.config), expected);
    const rebuilt = async (source: string, flags: object) => {
      const folder = join(root, `rebuilt-${count++}`);
      await reconstruct(source, [photo], { ...how, out: folder, ...flags });
      return pixels(join(folder, 'photo.png'));
    };
    const original = await rebuilt(made.vqgan, {});
    t.is(await rebuilt(run, {}), original);
    t.is(await rebuilt(from.file, { config: from.config }), original);
    t.not(await rebuilt(run, { precision: 'bfloat16' }), original);
  },
);

test.serial('conditions are checked before the weights of a checkpoint file are read', async (t) => {
  const { unconditional: _, ...params } = models.second.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator', params: { n_classes: 16 } };
  const model = { ...models.second, params: { ...params, cond_stage_config } };
  const { file, config } = await published([], model);
  writeFileSync(file, 'not a checkpoint');
  const drawn = (flags: object) => sample(file, { ...drawing, config, out: join(root, 'never'), ...flags });
  await t.throwsAsync(drawn({ class: '3,16' }), { message: /--class 16: there is no such class.* 0 to 15/ });
  await t.throwsAsync(drawn({ class: '3', size: [15, 16] }), {
    message: /both sides must be multiples of 2/,
  });
  await t.throwsAsync(drawn({ class: '3' }), { message: /published-\d+\.ckpt/ });
});

test.serial('sampling in half precision computes with it', async (t) => {
  const { model } = await openRun(join(out, 'second'), 'transformer', 'cpu');
  // Rounding seldom changes a draw of such a model: a low temperature exaggerates its logits.
  const grid = [8, 8] as const;
  const how = { topK: 100, temperature: 0.01, seeds: Array.from({ length: 8 }, (_, i) => i), grid };
  const images = async (precision: 'float32' | 'bfloat16') => {
    const folder = join(root, `in-${precision}`);
    await sample(join(out, 'second'), {
      ...drawing,
      batch: 8,
      temperature: 0.01,
      seeds: how.seeds,
      precision,
      out: folder,
    });
    t.like(JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')), { precision });
    return Promise.all(how.seeds.map((i) => pixels(join(folder, `${String(i).padStart(4, '0')}.png`))));
  };
  const drawn = { float32: await images('float32'), bfloat16: await images('bfloat16') };
  t.not(drawn.bfloat16.join(), drawn.float32.join());
  for (const precision of ['float32', 'bfloat16'] as const) {
    model.transformer.to(precision);
    const direct = sampleImages(model, torch.zeros([8, 1], { dtype: 'int64' }), how).unbind(0);
    const shown = direct.map((image) => Buffer.from(imageGrid(image.unsqueeze(0)).pixels).toString('hex'));
    t.is(drawn[precision].join(), shown.join());
  }
});

test.serial('a transformer that draws for maps comes with the stage of its condition', async (t) => {
  const { unconditional: _, transformer_config, ...params } = models.second.params;
  const { ddconfig, ...rest } = models.first.params;
  const labels = {
    ...rest,
    ddconfig: { ...ddconfig, in_channels: 9, out_ch: 9 },
    lossconfig: { target: 'taming.modules.losses.DummyLoss' },
  };
  const model = {
    ...models.second,
    params: {
      ...params,
      cond_stage_config: { ...models.first, params: labels },
      cond_stage_key: 'segmentation',
      transformer_config: {
        ...transformer_config,
        params: { ...transformer_config.params, block_size: 127 },
      },
    },
  };
  const bare = {
    ...model.params.first_stage_config,
    params: { ...rest, ddconfig, lossconfig: labels.lossconfig },
  };
  const built = modelFromConfig({ ...model, params: { ...model.params, first_stage_config: bare } });
  const run = await imported(await published(built.stateDict(), model), 'maps');
  const map = join(root, 'sky.png');
  const create = { width: 16, height: 16, channels: 3, background: '#000000' } as const;
  await sharp({ create }).toColourspace('b-w').png().toFile(map);
  const folder = join(root, 'for-sky');
  await sample(run, { ...drawing, condition: map, out: folder });
  t.deepEqual(readdirSync(folder).sort(), ['0000.png', '0001.png', 'samples.json']);
  t.regex(readFileSync(join(run, 'README.md'), 'utf8'), /sample .*maps --condition FILE --grid/);
  await t.throwsAsync(
    imported(await published(without(built.stateDict(), 'cond_stage_model.'), model), 'mapless'),
    {
      message: /does not match .*missing.*cond_stage_model\./s,
    },
  );
});

test.serial('the first stage of a transformer can be imported alone, by its own configuration', async (t) => {
  const run = await imported(await published(second, models.first), 'inner');
  using tokenizer = await ImageTokenizer.open(run, { device: 'cpu' });
  using own = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
  t.is(tokenizer.fingerprint(), own.fingerprint());
});

test.serial('the size of the images is that of the flag, the configuration, or the model', async (t) => {
  const from = await published(first, models.first, { size: 24 });
  const sizeOf = async (run: string) => (await openRun(run, 'vqgan', 'cpu')).config.data.size;
  t.is(await sizeOf(await imported(from, 'sized')), 24);
  t.is(await sizeOf(await imported(from, 'resized', { size: 32 })), 32);
});

test.serial('the moving average is taken if it is asked for', async (t) => {
  const average = [...first].flatMap(([key, tensor]): [string, Tensor][] => {
    const name = `model_ema.${key.replaceAll('.', '')}`;
    return key.startsWith('loss.')
      ? []
      : [
          [key, tensor],
          [name, tensor.mul(2)],
        ];
  });
  average.push(['model_ema.decay', first.get('encoder.conv_in.bias')!.narrow(0, 0, 1).clone()]);
  const from = await published(average, models.first);
  const bias = async (run: string) => (await tensorsOf(run)).get('encoder.conv_in.bias')!;
  const trained = first.get('encoder.conv_in.bias')!;
  t.true((await bias(await imported(from, 'trained'))).equal(trained));
  t.true((await bias(await imported(from, 'average', { ema: true }))).equal(trained.mul(2)));
  const pair = {
    model: Object.fromEntries(first),
    ema: Object.fromEntries([...first].map(([k, v]) => [k, v.mul(3)])),
  };
  await savePytorch(join(root, 'pair.pt'), pair);
  const other = { ...from, file: join(root, 'pair.pt') };
  t.true((await bias(await imported(other, 'of-model'))).equal(trained));
  t.true((await bias(await imported(other, 'of-ema', { ema: true }))).equal(trained.mul(3)));
  t.regex(readFileSync(join(out, 'trained', 'README.md'), 'utf8'), /also has a moving average .*--ema/);
});

test.serial('a lookup that the target leaves open must be given', async (t) => {
  const file = await published(first, models.vectors());
  await t.throwsAsync(imported(file, 'open'), {
    instanceOf: RunError,
    message: /--lookup nearest, dot or cosine/,
  });
  const lookupOf = async (run: string) => {
    const { model } = await openRun(run, 'vqgan', 'cpu');
    return (model.quantize.config as { lookup?: string }).lookup;
  };
  t.is(await lookupOf(await imported(file, 'dot', { lookup: 'dot' })), 'dot');
  t.is(
    await lookupOf(await imported(await published(first, models.vectors({ lookup: 'cosine' })), 'cosine')),
    'cosine',
  );
  t.is(await lookupOf(await imported(await published(first, models.first), 'taming')), 'nearest');
  const inner = await published(second, models.second);
  t.is(await lookupOf(await imported(inner, 'dots', { lookup: 'dot' })), 'dot');
});

test.serial('what does not fit is refused before anything is written', async (t) => {
  mkdirSync(join(out, 'occupied'), { recursive: true });
  writeFileSync(join(out, 'occupied', 'notes.txt'), 'mine');
  const before = readdirSync(out).sort();
  const good = await published(first, models.first);
  const gumbel = {
    target: 'taming.models.vqgan.GumbelVQ',
    params: { ...models.first.params, embed_dim: 32 },
  };
  const cases: [{ file: string; config: string }, string, Partial<ImportFlags>, RegExp][] = [
    [
      await published(without(first, 'encoder.conv_in'), models.first),
      'a',
      {},
      /\.ckpt does not match .*\.yaml: .*missing.*encoder\.conv_in\.weight/s,
    ],
    [
      await published([...first, ['extra.weight', first.get('encoder.conv_in.bias')!]], models.first),
      'b',
      {},
      /does not match .*unexpected.*extra\.weight/s,
    ],
    [
      await published(without(second, 'first_stage_model.'), models.second),
      'c',
      {},
      /but not of its first stage/,
    ],
    [await published([], models.first), 'd', {}, /does not match/],
    [
      await published(first, { ...models.first, target: 'src.IBQ.models.ibqgan.IBQ' }),
      'h',
      {},
      /\.yaml: target: "src\.IBQ\.models\.ibqgan\.IBQ" is not known; the nearest is/,
    ],
    [good, 'e', { ema: true }, /has no moving average/],
    [
      await published(first, gumbel),
      'f',
      { lookup: 'dot' },
      /--lookup dot: the codes of a taming\.models\.vqgan\.GumbelVQ/,
    ],
    [good, 'first', {}, /already contains a run/],
    [good, 'occupied', {}, /is a folder with other files/],
    [{ ...good, config: 'smal' }, 'g', {}, /there is no configuration smal/],
  ];
  for (const [from, name, flags, message] of cases) {
    await t.throwsAsync(imported(from, name, flags), { instanceOf: RunError, message }, name);
    t.deepEqual(readdirSync(out).sort(), before, name);
  }
  await t.throwsAsync(sample(good.file, { ...drawing, config: good.config }), {
    message: /describes a VQModel, which does not generate images/,
  });
  await t.throwsAsync(sample(good.file, drawing), {
    message:
      /is a file, not the folder of a run: name the YAML file of its model, or a preset, with --config/,
  });
  await t.throwsAsync(sample(made.transformer, { ...drawing, lookup: 'dot' }), {
    message: /--lookup is for checkpoint files/,
  });
});

test.serial('a terminal shows what is read, checked and written', async (t) => {
  const { stderr, stdout } = process;
  const [before, write, now, { isTTY }] = [{ ...process.env }, stderr.write, performance.now, stderr];
  const print = stdout.write;
  const shown: string[] = [];
  let time = 0;
  try {
    for (const name of ['CI', 'TERM']) delete process.env[name];
    stderr.isTTY = true;
    stderr.write = (text: string | Uint8Array) => shown.push(String(text)) > 0;
    stdout.write = () => true;
    performance.now = () => (time += 1000);
    const run = await imported(await published(first, models.first), 'watched', { quiet: false });
    await reconstruct(run, [photo], { device: 'cpu', out: join(root, 'watched') });
  } finally {
    Object.assign(process.env, before);
    Object.assign(stderr, { write, isTTY });
    stdout.write = print;
    performance.now = now;
  }
  const lines = shown.join('').split('\r\x1b[K');
  const names = lines.flatMap((line) => /^(\w+ [\w.-]+): .* of .*, .*\/s, \d+s left$/.exec(line)?.[1] ?? []);
  const [file] = /published-\d+\.ckpt/.exec(names.join(' '))!;
  t.deepEqual(
    [...new Set(names)],
    [
      `reading ${file}`,
      `checking ${file}`,
      'writing model.safetensors',
      'checking model.safetensors',
      'checking optimizer.safetensors',
      'reading model.safetensors',
    ],
  );
});

test.serial('an import removes what a killed one has left', async (t) => {
  const dead = 2 ** 30; // above every system's limit
  const left = temporaryOf(join(out, 'killed'), 'partial').replace(`.${process.pid}.`, `.${dead}.`);
  mkdirSync(join(left, 'checkpoints'), { recursive: true });
  await imported(await published(first, models.first), 'killed');
  t.false(existsSync(left));
  t.deepEqual(
    readdirSync(out).filter((name) => name.startsWith('.')),
    [],
  );
});

test.serial('an import that is stopped leaves no folder', async (t) => {
  const { file, config } = await published(first, models.first);
  const folder = join(root, 'stopped');
  const described = await describeCheckpointFile({ checkpoint: file, config }, undefined);
  await t.throwsAsync(
    withWeights(described, (opened) =>
      writeImportedRun(join(folder, 'run'), opened, {
        file,
        card: '',
        signal: AbortSignal.abort(new Error('stopped')),
      }),
    ),
    { message: 'stopped' },
  );
  t.deepEqual(existsSync(folder) ? readdirSync(folder) : [], []);
});
