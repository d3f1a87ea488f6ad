/** A second stage conditioned on vectors: a row for each image or class, from any function of texts. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { chooseCondition } from '../../src/cli/commands/sample/condition.js';
import { ImageSource } from '../../src/data/image-source.js';
import { MemoryStore } from '../../src/data/built-in/memory-store.js';
import { saveTextVectors } from '../../src/data/fields/vectors.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint, saveNpy, saveSafetensors } from '../../src/torch/io/index.js';
import { vectorsOf } from '../../src/training/stages/transformer/vectors.js';
import { resolveConfig } from '../../src/runs/config.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import {
  eventsOf,
  images,
  lossesOf,
  SIZE,
  stripes,
  temporaryFolder,
  transformerConfig,
  vqganConfig,
} from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-vectors-'));
const place = (name: string) => join(root, name);
const classes = ['ash', 'elm', 'oak'];
const D = 5;

/** A made language model: two vectors of a text, of its letters and of its length. */
const encode = (texts: readonly string[]) =>
  torch.stack(
    texts.map((text) => {
      const letters = Array.from({ length: D }, (_, i) => (text.charCodeAt(i % text.length) - 100) / 10);
      return torch.tensor([letters, letters.map((_, i) => (text.length + i) / 10)]);
    }),
  );

function conditional(vectors: string | undefined, training: Record<string, unknown> = {}) {
  const config = transformerConfig(place('vqgan'), { steps: 4, ...training, ...(vectors && { vectors }) });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const cond_stage_config = { target: 'tessera.conditions.VectorStage' };
  const params = { ...rest, transformer_config: { ...gpt, params: own }, cond_stage_config };
  return { ...config, model: { ...config.model, params } };
}

test.before(async () => {
  const config = vqganConfig({ steps: 1 });
  await eventsOf(await VqganTrainer.create(config, { run: place('vqgan'), images: images() }));
  await saveTextVectors(
    place('texts.safetensors'),
    { ash: 'grey bark', elm: 'a leaf', oak: 'acorns' },
    encode,
    2,
  );
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const create = (
  name: string,
  config: unknown = conditional(place('texts.safetensors'), { conditionDropout: 0.3 }),
) => TransformerTrainer.create(config, { run: place(name), images: images(classes) });

test.serial(
  'a run learns from vectors of texts and trains their projection; it resumes bit for bit',
  async (t) => {
    const whole = await eventsOf(await create('whole'));
    t.like(whole.at(-1), { type: 'end', step: 4, interrupted: false });

    const { model } = await openRun(place('whole'), 'transformer', 'cpu');
    t.is(model.condition.field, 'vectors');
    t.is(model.transformer.blockSize, 64 + 2 - 1);
    t.is(model.transformer.vocabSize, 16, 'vectors need no ids');
    t.true(model.isGuidable);
    const { path } = await newestCheckpoint(place('whole'));
    const weights = await loadCheckpoint(join(path, 'model.safetensors'));
    const keys = [...weights.tensors.keys()].filter((key) => key.startsWith('cond_stage_model.'));
    t.deepEqual(keys.sort(), ['cond_stage_model.proj.bias', 'cond_stage_model.proj.weight']);
    const bias = weights.tensors.get('cond_stage_model.proj.bias')!;
    t.true(
      (bias.tolist() as number[]).every((value) => value !== 0),
      'its bias began as 0 and was trained',
    );
    weights.close();

    const first = await eventsOf(await create('parts'), 2);
    // Nothing outside the run's folder is needed any more.
    const changes = { training: { vectors: place('nowhere.safetensors') } };
    const second = await eventsOf(
      await TransformerTrainer.resume(place('parts'), { images: images(classes), changes }),
    );
    t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
    const files = async (name: string) =>
      ((await newestCheckpoint(place(name))).state['files'] as Record<string, unknown>)['model.safetensors'];
    t.deepEqual(await files('parts'), await files('whole'));
  },
);

test.serial(
  'its samples depend on the vectors, which a file or a program gives, and can be guided',
  async (t) => {
    const { model } = await openRun(place('whole'), 'transformer', 'cpu');
    const { indices: vectors } = model.encodeToC(encode(['acorns', 'grey bark']));
    t.deepEqual(sampleImages(model, vectors, { grid: [8, 8] }).shape, [2, 3, SIZE, SIZE]);
    const draw = (of: torch.Tensor, options = {}) =>
      sampleTokens(model, of, 63, { seeds: [1, 1], temperature: 1, ...options }).tolist() as number[][];
    const plain = draw(vectors);
    t.deepEqual(draw(vectors, { cache: false }), plain);
    // Four steps have taught it next to nothing, so its weights are exaggerated.
    torch.noGrad(() => {
      for (const weight of model.transformer.parameters()) if (weight.ndim === 2) weight.mul_(10);
    });
    t.notDeepEqual(draw(vectors)[0], draw(vectors)[1]);
    t.deepEqual(
      draw(vectors, { guidance: 0 }),
      draw(model.dropped(vectors)!),
      'guided by 0: as without a condition',
    );
    t.deepEqual(draw(vectors, { guidance: 1 }), draw(vectors));
    t.notDeepEqual(draw(vectors, { guidance: 3 }), draw(vectors));
    const prefix = torch.tensor([
      [3n, 1n],
      [2n, 2n],
    ]);
    const continued = sampleTokens(model, vectors, 4, { prefix }).tolist() as number[][];
    t.deepEqual(
      continued.map((row) => row.slice(0, 2)),
      prefix.tolist(),
    );
    t.throws(() => sampleWindowed(model, vectors), { message: /the condition is vectors/ });

    const choose = async (condition: string) =>
      (await chooseCondition(model, { condition }, { size: [SIZE, SIZE], names: [], run: 'runs/x' }))
        .row as torch.Tensor;
    t.deepEqual((await choose(place('texts.safetensors'))).shape, [3, 2, D], 'rows for images in turn');
    await saveNpy(place('one.npy'), encode(['acorns']).squeeze(0));
    t.deepEqual((await choose(place('one.npy'))).tolist(), encode(['acorns']).tolist());
    await saveNpy(place('other.npy'), torch.zeros([1, 4]));
    await t.throwsAsync(choose(place('other.npy')), {
      message: /it has 1 × 1 vectors of 4 numbers, but the model was trained on 2 of 5 for an image/,
    });
    await t.throwsAsync(chooseCondition(model, {}, { size: [SIZE, SIZE], names: [], run: 'runs/x' }), {
      message: /runs\/x was trained on vectors: give some with --condition FILE/,
    });
  },
);

test.serial('a model that draws all codes at once takes vectors, too; bfloat16 does', async (t) => {
  const config = conditional(place('texts.safetensors'), { steps: 1, precision: 'bfloat16' });
  config.model.params.pkeep = 0;
  await eventsOf(await create('at-once', config));
  const { model } = await openRun(place('at-once'), 'transformer', 'cpu');
  model.transformer.to('bfloat16');
  const { indices } = model.encodeToC(encode(['acorns']));
  t.deepEqual(sampleImages(model, indices, { grid: [8, 8] }).shape, [1, 3, SIZE, SIZE]);
});

const named = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, torch.rand([D])]));
const stored = stripes(14, classes);
const given = images(classes);

const files: [string, () => Promise<string>, number[]][] = [
  [
    'names of images',
    () => written('images.safetensors', named(numbers().map((n) => `stripes ${n}`))),
    [4, 13],
  ],
  ['names of classes', () => written('classes.safetensors', named(classes)), [1, 1]],
  ['rows for images', () => written('images.npy', torch.rand([14, 1, D])), [4, 13]],
  ['rows for classes', () => written('classes.npy', torch.rand([3, D])), [1, 1]],
  ['rows in safetensors', () => written('rows.safetensors', { vectors: torch.rand([14, D]) }), [4, 13]],
];

const numbers = () => Array.from({ length: 14 }, (_, i) => i);

async function written(name: string, values: torch.Tensor | Record<string, torch.Tensor>): Promise<string> {
  if (values instanceof torch.Tensor) await saveNpy(place(name), values);
  else await saveSafetensors(place(name), values);
  return place(name);
}

for (const [what, write, [ofFifth, ofLast]] of files) {
  test.serial(`vectors are found by ${what}`, async (t) => {
    const config = resolveConfig('transformer', conditional(await write()));
    const found = (await vectorsOf(config, given))!;
    t.deepEqual(found.table.shape.slice(1), [1, D]);
    const names = await keysOf(config.training.vectors!);
    const row = (name: string, at: number) => (names ? names.indexOf(name) : at);
    const [fifth, last] = ofFifth === 4 ? ['stripes 4', 'stripes 13'] : ['elm', 'elm'];
    t.deepEqual([found.train[4], found.heldOut.at(-1)], [row(fifth, ofFifth!), row(last, ofLast!)]);
    t.deepEqual([found.train.length, found.heldOut.length], [10, 4]);
  });
}

async function keysOf(path: string): Promise<string[] | null> {
  if (path.endsWith('.npy')) return null;
  const checkpoint = await loadCheckpoint(path);
  const keys = [...checkpoint.tensors.keys()];
  checkpoint.close();
  return keys[0] === 'vectors' ? null : keys;
}

const refusals: [string, () => Promise<string | undefined>, RegExp][] = [
  ['no file', async () => undefined, /needs their file: name it in training\.vectors \(--vectors FILE\)/],
  ['a missing file', async () => 'nowhere.npy', /nowhere\.npy.*its vectors cannot be read/],
  [
    'integers',
    () => written('ids.npy', torch.tensor([[1n, 2n]])),
    /has int64 \[1, 2\], expected floating point/,
  ],
  [
    'vectors of two lengths',
    () => written('two.safetensors', { ash: torch.rand([D]), elm: torch.rand([D + 1]) }),
    /has float32 \[6\] for "elm"/,
  ],
  [
    'an image without vectors',
    () => written('few.safetensors', named(['ash', 'elm'])),
    /few\.safetensors has no vectors for stripes 2: name them by the image's file or by its class; it has 2 names/,
  ],
  [
    'another number of rows',
    () => written('rows.npy', torch.rand([9, D])),
    /has 9 rows without names, but stripes has 14 images and 3 classes/,
  ],
];

for (const [what, write, message] of refusals) {
  test.serial(`refused before anything is written: ${what}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const config = conditional(await write());
    await t.throwsAsync(TransformerTrainer.create(config, { run, images: given }), { message });
    t.false(existsSync(join(run, 'checkpoints')));
  });
}

test.serial('a path of files is left out of names, and so is their extension', async (t) => {
  const items = ['photos/a/one.png', 'photos/b/two.png'].map((name, i) => ({ ...stored.load(i), name }));
  const store = new MemoryStore(items, classes);
  const both = { train: new ImageSource(store, SIZE, [0]), heldOut: new ImageSource(store, SIZE, [1]) };
  const path = await written('mixed.safetensors', named(['a/one', 'two.png']));
  const config = resolveConfig('transformer', { ...conditional(path), data: { path: 'photos', size: SIZE } });
  const { train, heldOut } = (await vectorsOf(config, both))!;
  const keys = (await keysOf(path))!;
  t.deepEqual([keys[train[0]!], keys[heldOut[0]!]], ['a/one', 'two.png']);
});

test('an encoder must give a row for each text', async (t) => {
  await t.throwsAsync(
    saveTextVectors(place('x.safetensors'), { a: 'one', b: 'two' }, () => torch.zeros([1, D])),
    {
      message: /the encoder gave \[1, 5\] for 2 texts; expected a row for each/,
    },
  );
});
