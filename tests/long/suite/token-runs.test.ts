import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { EncodeFlags } from '../../../src/cli/commands/encode/command.js';
import { newestCheckpoint } from '../../../src/runs/checkpoint.js';
import { RunError } from '../../../src/runs/error.js';
import { TokenSet } from '../../../src/tokenizer/token-set.js';
import { codesOfTokens } from '../../../src/training/stages/transformer/token-codes.js';
import { openTokenImages } from '../../../src/training/token-images.js';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { saveSafetensors } from '../../../src/torch/io/index.js';
import * as torch from '../../../src/torch/index.js';
import { encoded, photosOfClasses } from '../../tokenizer/token-sets.js';
import { runs } from '../../tokenizer/tokenizers.js';
import {
  eventsOf,
  images,
  lossesOf,
  temporaryFolder,
  transformerConfig,
  vqganConfig,
} from '../../training/tiny.js';

let made: Awaited<ReturnType<typeof runs>>;
let photos: string;
let remove: () => unknown;
test.before(async () => {
  made = await runs();
  photos = temporaryFolder({ teardown: (fn) => (remove = fn) });
  await photosOfClasses(photos, 12);
});
test.after.always(() => (made.remove(), remove()));

const set = (t: ExecutionContext, flags: Partial<EncodeFlags> = {}, paths = photos) =>
  encoded(made.vqgan, paths, { out: join(temporaryFolder(t), 'tokens'), shard: 5, ...flags });

/** A second stage on images, or tokens, of classes or not. */
function configOn(path: string, { classes = false, data = {}, training = {} } = {}) {
  const config = transformerConfig(made.vqgan, training);
  const { unconditional: _, ...params } = config.model.params;
  const { vocab_size: __, block_size: ___, ...gpt } = params.transformer_config.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator' };
  const ofClasses = {
    ...params,
    cond_stage_config,
    transformer_config: { ...params.transformer_config, params: gpt },
  };
  return {
    ...config,
    model: { ...config.model, params: classes ? ofClasses : config.model.params },
    data: { path, size: 16, heldOut: 4, flip: false, ...data },
  };
}

const run = async (config: unknown, folder: string) =>
  eventsOf(await TransformerTrainer.create(config, { run: folder }));

/** Digests of a run's last weights and optimizer. */
const filesOf = async (folder: string) => (await newestCheckpoint(folder)).state['files'];

test.serial('one view of each image trains as those images do, held-out metrics included', async (t) => {
  const folder = temporaryFolder(t);
  const tokens = await set(t, { views: 1 });
  for (const [how, classes] of [
    ['plain', false],
    ['classes', true],
  ] as const) {
    const places = ['images', 'tokens'].map((name) => join(folder, how, name)) as [string, string];
    const training = { steps: 4 };
    const ofImages = await run(configOn(photos, { classes, training }), places[0]);
    const ofTokens = await run(configOn(tokens, { classes, training }), places[1]);
    t.deepEqual(lossesOf(ofTokens), lossesOf(ofImages));
    const end = ofTokens.at(-1);
    t.deepEqual(end?.type === 'end' && end.metrics, (ofImages.at(-1) as { metrics?: unknown }).metrics);
    t.deepEqual(await filesOf(places[1]), await filesOf(places[0]));
    const written = readdirSync(join(places[1], 'images')).map((name) => name.replace(/-\d.*/, ''));
    t.deepEqual(written, ['samples'], 'there are no originals to show');
    t.deepEqual(
      readdirSync(places[1]).filter((name) => name.startsWith('codes')),
      [],
    );
    t.regex(
      readFileSync(join(places[1], 'README.md'), 'utf8'),
      /8 images of 16 × 16 pixels as tokens from .*one of the views/,
    );
  }
});

test.serial('neither images nor their folder are needed, and nothing but the tokens is read', async (t) => {
  const folder = await photosOfClasses(join(temporaryFolder(t), 'photos'), 8);
  const tokens = await set(t, { views: 2 }, folder);
  rmSync(folder, { recursive: true });
  const config = configOn(tokens, { classes: true, training: { steps: 1 } });
  t.like((await run(config, join(temporaryFolder(t), 'run'))).at(-1), { type: 'end', step: 1 });
});

test.serial('a resumed run on many views equals an uninterrupted one, bit for bit', async (t) => {
  const folder = temporaryFolder(t);
  const tokens = await set(t, { views: 3, flip: 'both', to: 'safetensors' });
  const at = (name: string) => join(folder, name);
  const config = configOn(tokens, { training: { steps: 9 } }); // Two epochs and a bit.
  const whole = await run(config, at('whole'));
  const first = await eventsOf(await TransformerTrainer.create(config, { run: at('parts') }), 5);
  torch.manualSeed(99);
  const moved = at('moved'); // As a disk may be mounted elsewhere.
  renameSync(tokens, moved);
  const changes = { data: { path: moved } };
  const second = await eventsOf(await TransformerTrainer.resume(at('parts'), { changes }));
  t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
  t.deepEqual(await filesOf(at('parts')), await filesOf(at('whole')));
  const once = await run(configOn(await set(t, { views: 1 }), { training: { steps: 9 } }), at('once'));
  t.notDeepEqual(lossesOf(once), lossesOf(whole), 'views make no difference');
});

test.serial('an epoch is a pass over the images, not over their views', async (t) => {
  const config = configOn(await set(t, { views: 4 }), { training: { steps: undefined, epochs: 2 } });
  const plan = await TransformerTrainer.plan(
    { ...config, data: { ...config.data, flip: true } },
    { run: 'none' },
  );
  t.is(plan.config.training.steps, 8); // 8 images in batches of 2, twice.
  t.like(plan.images, { train: 8, heldOut: 4 });
  t.regex(
    plan.notes.join('\n'),
    /reads the tokens in .*, not images: 4 views of each image, one of them in each epoch/,
  );
});

test.serial('no view of a held-out image is trained on, and the split is that of the images', async (t) => {
  const tokens = await set(t, { views: 3 });
  const data = { path: tokens, size: 16, heldOut: 4, channels: 3, flip: false };
  const opened = await openTokenImages({ data, training: { views: 1 } } as never, []);
  using whole = await TokenSet.open(tokens);
  const { train, heldOut } = codesOfTokens(opened, null, 'cpu');
  const places = [opened.train, opened.heldOut].map((source) =>
    Array.from({ length: source.length }, (_, i) => source.place(i)),
  ) as [number[], number[]];
  t.deepEqual([places[0].length, places[1].length], [8, 4]);
  const rows = (which: number[], views: number[]) =>
    which.flatMap((image) => views.map((view) => whole.read([image], [view]).flatten().tolist()));
  t.deepEqual(train.codes.to('int64').tolist(), rows(places[0], [0, 1, 2]));
  t.deepEqual(heldOut.codes.to('int64').tolist(), rows(places[1], [0]), 'the central crops');
  await opened.close();
  torch.dispose([train, heldOut]);
});

test.serial('a set of its own is held out, without the images that are in both', async (t) => {
  const some = await photosOfClasses(join(temporaryFolder(t), 'photos'), 3); // The first three of the others.
  const [tokens, other] = [await set(t, { views: 2 }), await set(t, { views: 1 }, some)];
  const data = { heldOutPath: other };
  const plan = (given: object) => TransformerTrainer.plan(configOn(tokens, given), { run: 'none' });
  t.deepEqual((await plan({ data })).images, { train: 9, heldOut: 3 });
  await t.throwsAsync(plan({ data: { heldOutPath: photos } }), {
    instanceOf: RunError,
    message: /heldOutPath is .*, which is not one: encode those images too.*data\.heldOutPath=null/,
  });
  const plain = await set(t, { square: true }, some);
  await t.throwsAsync(plan({ data: { heldOutPath: plain } }), { message: /do not record the same/ });
});

test.serial('a set that the run was not begun with is refused when it is resumed', async (t) => {
  const tokens = await set(t, { views: 2 });
  const folder = join(temporaryFolder(t), 'run');
  await eventsOf(await TransformerTrainer.create(configOn(tokens), { run: folder }), 2);
  const changes = { data: { path: await set(t, { views: 2, seed: 2 }) } };
  await t.throwsAsync(TransformerTrainer.resume(folder, { changes }), {
    instanceOf: RunError,
    message: /as many images as when the run was started, but they are not the same/,
  });
});

test.serial('sets and configurations that do not fit are refused before a run is begun', async (t) => {
  const tokens = await set(t, { views: 1 });
  const folder = join(temporaryFolder(t), 'run');
  const refused = async (config: unknown, message: RegExp) => {
    await t.throwsAsync(TransformerTrainer.create(config, { run: folder }), { message });
    t.throws(() => readdirSync(join(folder, 'checkpoints')), { code: 'ENOENT' });
  };
  await refused(
    configOn(tokens, { training: { views: 4 } }),
    /has its own views: make it with encode --views 4/,
  );
  await refused(
    configOn(await set(t, { views: 1, size: 8 })),
    /grids of 4 × 4, but images of 16 pixels have 8 × 8 codes/,
  );
  await refused(configOn(await set(t, { square: true }), { classes: true }), /have no classes to learn from/);
  const coordinates = configOn(tokens, { classes: true });
  const stage = { target: 'taming.modules.misc.coord.CoordStage', params: { n_embed: 4, down_factor: 4 } };
  const params = { ...coordinates.model.params, cond_stage_key: 'coord', cond_stage_config: stage };
  await refused(
    { ...coordinates, model: { ...coordinates.model, params } },
    /condition coord is computed from images, but data\.path is the token set/,
  );
  const half = join(folder, '..', 'half');
  cpSync(tokens, half, { recursive: true });
  writeFileSync(join(half, 'tokens-00001.jsonl'), '{"file": "ha');
  await refused(configOn(half), /tokens-00001\.jsonl: has changed since it was written/);

  const other = join(temporaryFolder(t), 'vqgan');
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: other, images: images() }));
  const foreign = configOn(tokens);
  await refused(
    { ...foreign, training: { ...foreign.training, vqgan: other } },
    /were made with another first stage, or another checkpoint of it: encode the images again/,
  );
  await t.throwsAsync(
    VqganTrainer.create({ ...vqganConfig(), data: { path: tokens, size: 16 } }, { run: folder }),
    {
      message: /tokens of images, on which only a transformer is trained/,
    },
  );
});

test.serial('a run on pixels of images cannot be resumed on their tokens', async (t) => {
  const config = configOn(photos, { classes: true, training: { steps: 2 } });
  const stage = { target: 'taming.modules.misc.coord.CoordStage', params: { n_embed: 4, down_factor: 4 } };
  const params = { ...config.model.params, cond_stage_key: 'coord', cond_stage_config: stage };
  const folder = join(temporaryFolder(t), 'run');
  const given = { ...config, model: { ...config.model, params } };
  await eventsOf(await TransformerTrainer.create(given, { run: folder }), 1);
  const changes = { data: { path: await set(t, { views: 1 }), changed: 'accept' } };
  const resumed = async () => eventsOf(await TransformerTrainer.resume(folder, { changes }));
  await t.throwsAsync(resumed, { message: /condition coord is computed from images, but data\.path is/ });
});

test.serial('vectors condition a transformer on tokens, by the names of the images', async (t) => {
  const tokens = await set(t, { views: 2, flip: 'both' });
  const file = join(temporaryFolder(t), 'vectors.safetensors');
  using whole = await TokenSet.open(tokens);
  const table = torch.randn([12, 6]);
  /** Writes the vector of each image under what its name becomes, the last image first. */
  const write = (nameOf: (name: string) => string) =>
    saveSafetensors(
      file,
      new Map(Array.from({ length: 12 }, (_, i) => [nameOf(whole.name(11 - i)), table.select(0, i).clone()])),
    );
  await write((name) => name);
  const config = configOn(tokens, { classes: true, training: { vectors: file, steps: 2 } });
  config.model.params = {
    ...config.model.params,
    cond_stage_config: { target: 'tessera.conditions.VectorStage' },
  } as never;
  const events = await run(config, join(temporaryFolder(t), 'run'));
  t.like(events.at(-1), { type: 'end', step: 2 });
  await write((name) => name.split('/').slice(-2).join('/')); // As in the folder of the images.
  const again = await run(config, join(temporaryFolder(t), 'run'));
  t.deepEqual(lossesOf(again), lossesOf(events));
  const inOrder = join(temporaryFolder(t), 'rows.safetensors');
  await saveSafetensors(inOrder, { vectors: table });
  const unnamed = { ...config, training: { ...config.training, vectors: inOrder } };
  t.notDeepEqual(
    lossesOf(await run(unnamed, join(temporaryFolder(t), 'run'))),
    lossesOf(events),
    'names are not used',
  );
  const data = { path: tokens, size: 16, heldOut: 4, channels: 3 };
  const opened = await openTokenImages({ data, training: { views: 1 } } as never, []);
  const zeros = torch.zeros([12, 1, 6]);
  const codes = codesOfTokens(
    opened,
    { table: zeros, train: [...Array(8).keys()], heldOut: [8, 9, 10, 11] },
    'cpu',
  );
  t.deepEqual(
    codes.train.condition!.flatten().tolist(),
    [...Array(32).keys()].map((row) => Math.floor(row / 4)),
  );
  t.deepEqual(codes.heldOut.condition!.flatten().tolist(), [8, 9, 10, 11]);
  await opened.close();
});
