import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { presetFile } from '../../src/config/presets.js';
import { ImageDataError } from '../../src/data/image-error.js';
import type { FirstStage } from '../../src/models/autoencoder/vqgan.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import { readConfig } from '../../src/models/registry/read-config.js';
import { withoutLoss } from '../../src/models/registry/without-loss.js';
import { RunError } from '../../src/runs/error.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { ImageTokenizer, type ImageTokens } from '../../src/tokenizer/image-tokenizer.js';
import { loadCheckpoint, savePytorch } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { temporaryFolder, vqganConfig } from '../training/tiny.js';
import { png, runs } from './tokenizers.js';

let made: Awaited<ReturnType<typeof runs>>;
let tokenizer: ImageTokenizer;
test.before(async () => {
  made = await runs();
  tokenizer = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
});
test.after.always(() => made.remove());

const list = (ids: Tensor) => ids.tolist() as number[][][];

function noise(shape: number[], seed = 1): Tensor {
  const generator = new torch.Generator();
  generator.manualSeed(seed);
  return torch.rand(shape, { generator }).mul(2).sub(1);
}

test('a tokenizer knows its codebook, stride, channels and size', (t) => {
  t.like(tokenizer, { nCodes: 16, stride: 2, channels: 3, size: 16, device: 'cpu', dtype: 'float32' });
});

test('the ids of a tensor are those of the model, and ids decode to its images', async (t) => {
  const { model } = await openRun(made.vqgan, 'vqgan', 'cpu');
  const images = noise([2, 3, 16, 12]);
  const { indices, reconstruction } = torch.noGrad(() => model.forward(images));
  const tokens = await tokenizer.encode(images);
  t.deepEqual([tokens.ids.dtype, tokens.ids.shape, tokens.grid], ['int64', [2, 8, 6], [8, 6]]);
  t.deepEqual(list(tokens.ids), list(indices));
  t.true(new Set(list(tokens.ids).flat(2)).size > 1);
  const decoded = await tokenizer.decode(tokens);
  t.deepEqual(decoded.shape, [2, 3, 16, 12]);
  t.true(torch.allclose(decoded, reconstruction.clamp(-1, 1), { atol: 1e-5 }));
  t.true(torch.equal(await tokenizer.decode(tokens.ids), decoded));
});

test('paths, bytes and lists of both give the same ids', async (t) => {
  const file = join(temporaryFolder(t), 'a.png');
  const bytes = await png(20, 16);
  writeFileSync(file, bytes);
  const { ids, grid, size } = await tokenizer.encode(file);
  t.deepEqual(
    [ids.shape, grid, size],
    [
      [1, 8, 10],
      [8, 10],
      [16, 20],
    ],
  );
  t.deepEqual(list((await tokenizer.encode(bytes)).ids), list(ids));
  const both = await tokenizer.encode([file, bytes], { batch: 1 });
  t.deepEqual(list((both as ImageTokens).ids), [...list(ids), ...list(ids)]);
  const unlike = await tokenizer.encode([await png(16, 16), bytes]);
  t.deepEqual(
    (unlike as ImageTokens[]).map((one) => one.grid),
    [
      [8, 8],
      [8, 10],
    ],
  );
  const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const pixels = torch.tensor(new Uint8Array(data)).view([1, 16, 20, 3]).permute([0, 3, 1, 2]);
  t.deepEqual(list((await tokenizer.encode(pixels.float().div(127.5).sub(1))).ids), list(ids));
});

test('an image has the same ids alone and in any batch, in the order of the list', async (t) => {
  const inputs = await Promise.all([1, 2, 3, 4, 5].map((seed) => png(seed % 2 ? 16 : 24, 16, seed)));
  const alone = await Promise.all(inputs.map(async (bytes) => list((await tokenizer.encode(bytes)).ids)));
  for (const batch of [1, 2, 16]) {
    const all = await tokenizer.encodeAll(inputs, { batch });
    t.deepEqual(
      all.map(({ ids }) => list(ids)),
      alone,
    );
  }
  t.is(new Set(alone.map((ids) => JSON.stringify(ids))).size, 5);
});

test('size scales the shorter side, and square crops to it', async (t) => {
  const bytes = await png(40, 30);
  const grids = async (options: object) => (await tokenizer.encode(bytes, options)).grid;
  t.deepEqual(await grids({}), [8, 10]); // 16 × 21 pixels
  t.deepEqual(await grids({ size: 30 }), [15, 20]);
  t.deepEqual(await grids({ size: 8, square: true }), [4, 4]);
  const tensor = noise([1, 3, 30, 40]);
  t.deepEqual((await tokenizer.encode(tensor)).grid, [15, 20]);
  t.deepEqual((await tokenizer.encode(tensor, { size: 16 })).grid, [8, 10]);
  t.deepEqual((await tokenizer.encode(tensor, { square: true })).grid, [15, 15]);
});

test('images longer than four to one are cropped to their middle', async (t) => {
  const bytes = await png(100, 16);
  for (const fit of ['crop', 'pad', 'resize'] as const) {
    const tokens = await tokenizer.encode(bytes, { fit });
    t.deepEqual(
      [tokens.grid, tokens.size],
      [
        [8, 32],
        [16, 64],
      ],
    );
    const middle = await sharp(bytes).extract({ left: 18, top: 0, width: 64, height: 16 }).png().toBuffer();
    t.deepEqual(list(tokens.ids), list((await tokenizer.encode(middle, { fit })).ids));
    const images = noise([1, 3, 16, 100]);
    const { ids } = await tokenizer.encode(images, { fit, size: 16 });
    t.deepEqual(list(ids), list((await tokenizer.encode(images.narrow(3, 18, 64), { fit })).ids));
  }
});

test('fit makes both sides multiples of the stride in the way it says', async (t) => {
  const images = noise([1, 3, 15, 13]);
  const cropped = await tokenizer.encode(images, { fit: 'crop' });
  t.deepEqual(
    [cropped.grid, cropped.size],
    [
      [7, 6],
      [14, 12],
    ],
  );
  const centre = images.narrow(2, 0, 14).narrow(3, 0, 12);
  t.deepEqual(list(cropped.ids), list((await tokenizer.encode(centre)).ids));

  const padded = await tokenizer.encode(images, { fit: 'pad' });
  t.deepEqual(
    [padded.grid, padded.size],
    [
      [8, 7],
      [15, 13],
    ],
  );
  const mirrored = torch.cat([images, images.narrow(2, 13, 1)], 2);
  const whole = torch.cat([mirrored, mirrored.narrow(3, 11, 1)], 3);
  t.deepEqual(list(padded.ids), list((await tokenizer.encode(whole)).ids));

  const replicated = await tokenizer.encode(images, { fit: 'pad', padding: 'replicate' });
  const repeated = torch.cat([images, images.narrow(2, 14, 1)], 2);
  const edged = torch.cat([repeated, repeated.narrow(3, 12, 1)], 3);
  t.deepEqual(list(replicated.ids), list((await tokenizer.encode(edged)).ids));

  const resized = await tokenizer.encode(images, { fit: 'resize' });
  t.deepEqual(
    [resized.grid, resized.size],
    [
      [8, 7],
      [16, 14],
    ],
  );
});

test('files are padded as tensors are, and decoded images are cropped to their size', async (t) => {
  const bytes = await png(19, 15);
  const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const pixels = torch.tensor(new Uint8Array(data)).view([1, 15, 19, 3]).permute([0, 3, 1, 2]);
  const images = pixels.float().div(127.5).sub(1);
  for (const padding of ['reflect', 'replicate'] as const) {
    const options = { fit: 'pad', padding, size: 15 } as const;
    const tokens = await tokenizer.encode(bytes, options);
    t.deepEqual(
      [tokens.grid, tokens.size],
      [
        [8, 10],
        [15, 19],
      ],
    );
    t.deepEqual(list(tokens.ids), list((await tokenizer.encode(images, options)).ids));
    const whole = await tokenizer.decode(tokens.ids);
    t.deepEqual(whole.shape, [1, 3, 16, 20]);
    const cropped = await tokenizer.decode(tokens);
    t.true(torch.equal(cropped, whole.narrow(2, 0, 15).narrow(3, 0, 19)));
    t.true(torch.equal(cropped, await tokenizer.decode(tokens.ids, { size: [15, 19] })));
  }
});

test('an image smaller than its padding is mirrored repeatedly', async (t) => {
  const one = noise([1, 3, 1, 3]);
  const { ids } = await tokenizer.encode(one, { fit: 'pad' });
  const mirrored = torch.cat([one, one.narrow(3, 1, 1)], 3).expand([1, 3, 2, 4]);
  t.deepEqual(list(ids), list((await tokenizer.encode(mirrored)).ids));
});

test('each decoded image becomes the bytes of a PNG', async (t) => {
  const ids = torch.randint(0, 16, [2, 3, 4], { dtype: 'int32' });
  const images = await tokenizer.decode(ids);
  const pngs = await tokenizer.decodePng(ids);
  t.is(pngs.length, 2);
  for (const [i, bytes] of pngs.entries()) {
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    t.like(info, { width: 8, height: 6, channels: 3 });
    const expected = images.select(0, i).permute([1, 2, 0]).mul(127.5).add(127.5).round();
    t.deepEqual([...data], (expected.flatten().tolist() as number[]).map(Number));
  }
});

test('images beyond the tile are computed in tiles, near those of the whole; smaller ones are exact', async (t) => {
  const images = noise([1, 3, 64, 80]);
  const whole = await tokenizer.encode(images);
  const exact = await tokenizer.encode(images, { tile: 80 });
  t.deepEqual(list(exact.ids), list(whole.ids));
  const tokens = await tokenizer.encode(images, { tile: 48, overlap: 24 });
  t.deepEqual([tokens.grid, tokens.size], [whole.grid, whole.size]);
  const same = tokens.ids.eq(whole.ids).float().mean().item();
  t.true(same > 0.5 && same < 1, `${same} of the ids are equal`);
  const [decoded, tiled] = [
    await tokenizer.decode(whole),
    await tokenizer.decode(whole, { tile: 48, overlap: 24 }),
  ];
  t.deepEqual(tiled.shape, [1, 3, 64, 80]);
  const difference = tiled.sub(decoded).abs().mean().div(decoded.sub(decoded.mean()).abs().mean()).item();
  t.true(difference < 0.3, `${difference}`);
  t.false(torch.equal(tiled, decoded));
  const file = await png(40, 24);
  const [one] = await tokenizer.encodeAll([file], { size: 24, tile: 16, overlap: 8 });
  const pixels = torch.tensor(new Uint8Array(await sharp(file).raw().toBuffer())).view([1, 24, 40, 3]);
  const tensor = pixels.permute([0, 3, 1, 2]).float().div(127.5).sub(1);
  t.deepEqual(list(one!.ids), list((await tokenizer.encode(tensor, { tile: 16, overlap: 8 })).ids));
});

for (const dtype of ['bfloat16', 'float16'] as const) {
  test(`${dtype} is near float32`, async (t) => {
    using half = await ImageTokenizer.open(made.vqgan, { device: 'cpu', dtype });
    const images = noise([2, 3, 16, 16]);
    const [exact, rounded] = [await tokenizer.encode(images), await half.encode(images)];
    const same = exact.ids.eq(rounded.ids).float().mean().item();
    t.true(same > 0.9, `${same} of the ids are equal`);
    const decoded = await half.decode(exact.ids);
    t.is(decoded.dtype, 'float32');
    const reference = await tokenizer.decode(exact.ids);
    t.true(decoded.sub(reference).abs().max().item() < 0.05 * reference.abs().max().item());
    t.false(torch.equal(decoded, reference));
    t.is(half.model.quantize.codebook.dtype, 'float32');
    t.not(half.fingerprint(), tokenizer.fingerprint());
  });
}

test('a transformer’s first stage, and a checkpoint with its configuration, give the same ids', async (t) => {
  const images = noise([1, 3, 16, 16]);
  const expected = list((await tokenizer.encode(images)).ids);
  using inside = await ImageTokenizer.open(made.transformer, { device: 'cpu' });
  t.deepEqual(list((await inside.encode(images)).ids), expected);
  t.is(inside.fingerprint(), tokenizer.fingerprint());

  const folder = temporaryFolder(t);
  const config = join(folder, 'model.yaml');
  writeFileSync(config, JSON.stringify({ model: vqganConfig().model }));
  for (const run of [made.vqgan, made.transformer]) {
    const checkpoint = join((await newestCheckpoint(run)).path, 'model.safetensors');
    using opened = await ImageTokenizer.open(checkpoint, { config, device: 'cpu' });
    t.is(opened.fingerprint(), tokenizer.fingerprint());
  }
  const { tensors } = await loadCheckpoint(
    join((await newestCheckpoint(made.vqgan)).path, 'model.safetensors'),
  );
  const checkpoint = join(folder, 'last.ckpt');
  await savePytorch(checkpoint, { state_dict: Object.fromEntries(tensors) });
  using given = await ImageTokenizer.open(checkpoint, { config: vqganConfig().model, device: 'cpu' });
  t.deepEqual([given.fingerprint(), given.size], [tokenizer.fingerprint(), 16]);
  await t.throwsAsync(ImageTokenizer.open(checkpoint, { config: 'small' }), { message: /shape|missing/ });
});

test('a preset is the configuration of a checkpoint', async (t) => {
  const { model } = await readConfig(presetFile('vqgan', 'small')!);
  const own = modelFromConfig<FirstStage>(withoutLoss(model));
  const checkpoint = join(temporaryFolder(t), 'small.ckpt');
  await savePytorch(checkpoint, { state_dict: Object.fromEntries(own.stateDict()) });
  using opened = await ImageTokenizer.open(checkpoint, { config: 'small', device: 'cpu' });
  t.like(opened, { nCodes: 256, stride: 4, size: 64 });
  const images = noise([1, 3, 16, 16]);
  const { indices } = torch.noGrad(() => own.eval().forward(images));
  t.deepEqual(list((await opened.encode(images)).ids), list(indices));
  for (const [config, message] of [
    [
      'smal',
      /no configuration smal: .* the nearest is "small" \(there are depth, faces, imagenet, segmentation, small\)/,
    ],
    ['layouts', /no configuration layouts: that preset is for training a transformer/],
    ['small.yaml', /small\.yaml/],
  ] as const) {
    await t.throwsAsync(ImageTokenizer.open(checkpoint, { config }), { message });
  }
});

test('codes that a model draws at random are the most likely ones', async (t) => {
  const { model } = vqganConfig();
  const folder = temporaryFolder(t);
  const gumbel = { target: 'taming.models.vqgan.GumbelVQ', params: { ...model.params, embed_dim: 32 } };
  const remapped = { ...model, params: { ...model.params, remap: [1, 5, 7] } };
  for (const config of [gumbel, remapped]) {
    const checkpoint = join(folder, 'weights.pt');
    await savePytorch(checkpoint, Object.fromEntries(modelFromConfig(config as never).stateDict()));
    using opened = await ImageTokenizer.open(checkpoint, { config: config as never, device: 'cpu' });
    const images = noise([1, 3, 16, 16]);
    const [first, second] = [await opened.encode(images), await opened.encode(images)];
    t.deepEqual(list(first.ids), list(second.ids));
    t.true(Math.max(...list(first.ids).flat(2)) < opened.nCodes);
    t.deepEqual((await opened.decode(first)).shape, [1, 3, 16, 16]);
  }
});

test('what cannot be opened is refused with the reason', async (t) => {
  const folder = temporaryFolder(t);
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const stopped = join(folder, 'stopped');
  mkdirSync(stopped);
  writeFileSync(join(stopped, 'config.yaml'), readFileSync(join(made.vqgan, 'config.yaml')));
  const file = join(folder, 'weights.ckpt');
  writeFileSync(file, 'nothing');
  const gpt = { target: 'taming.modules.transformer.mingpt.GPT', params: { vocab_size: 16, block_size: 4 } };
  const params = { ...gpt.params, n_layer: 1, n_head: 1, n_embd: 8 };
  const model = { ...gpt, params };
  for (const [source, message, config] of [
    [join(folder, 'gone'), /there is no run at/],
    [empty, /is not a run: it has no config\.yaml/],
    [stopped, /has no complete checkpoint/],
    [file, /is a file, not the folder of a run; .*--config/],
    [file, /describes a GPT, which does not encode images/, model],
  ] as const) {
    await t.throwsAsync(ImageTokenizer.open(source, config && { config }), { instanceOf: RunError, message });
  }
  await t.throwsAsync(ImageTokenizer.open({} as never), { instanceOf: TypeError, message: /run folder/ });
  await t.throwsAsync(ImageTokenizer.open(made.vqgan, { dtype: 'half' as never }), {
    instanceOf: TypeError,
    message: /dtype must be 'float32' or 'bfloat16' or 'float16'; got "half"/,
  });
});

test('what cannot be encoded is refused with the reason', async (t) => {
  const small = await png(16, 16);
  const image = noise([1, 3, 16, 16]);
  const { ShapeError, DTypeError } = torch;
  for (const [source, options, instanceOf, message] of [
    [image.squeeze(0), {}, ShapeError, /\[B, 3, H, W\].*unsqueeze/],
    [noise([1, 1, 16, 16]), {}, ShapeError, /\[B, 3, H, W\]/],
    [image.to('uint8'), {}, DTypeError, /floating point/],
    [noise([1, 3, 1, 16]), {}, ShapeError, /smaller than one code.*'pad'/],
    [[], {}, ShapeError, /at least one image/],
    [[3], {}, TypeError, /image 0 must be a path/],
    [Buffer.from('text'), {}, ImageDataError, /image 0: this is not a JPEG/],
    ['gone.png', {}, ImageDataError, /gone\.png: there is no such file/],
    [small, { size: 1 }, RangeError, /smaller than one code/],
    [small, { size: 1.5 }, RangeError, /positive integer/],
    [small, { fit: 'cover' }, TypeError, /'crop' or 'pad' or 'resize'; got "cover"/],
    [small, { padding: 'zero' }, TypeError, /'reflect' or 'replicate'/],
    [small, { batch: 0 }, RangeError, /batch must be a positive integer/],
    [small, { tile: 3 }, RangeError, /tile must be an integer of at least two codes, 4 pixels, got 3/],
    [small, { tile: 8, overlap: 5 }, RangeError, /overlap must be a number from 0 to half a tile, 4, got 5/],
    [small, { overlap: 2 }, RangeError, /give tile as well/],
  ] as const) {
    await t.throwsAsync(tokenizer.encode(source as never, options as never), { instanceOf, message });
  }
});

test('what cannot be decoded is refused with the reason', async (t) => {
  const ids = (value: number) => torch.full([1, 2, 2], value, { dtype: 'int64' });
  const { ShapeError, DTypeError } = torch;
  for (const [source, options, instanceOf, message] of [
    [ids(16), {}, RangeError, /id 16 is not in the codebook, whose ids are 0 to 15; subtract an offset/],
    [ids(-1), {}, RangeError, /id -1 is not in the codebook/],
    [ids(1).squeeze(0), {}, ShapeError, /\[B, h, w\], got \[2, 2\].*unsqueeze/],
    [ids(1).float(), {}, DTypeError, /integer ids/],
    [[[1]], {}, TypeError, /ids \[B, h, w\]/],
    [ids(1), { size: [5, 4] }, RangeError, /at most \[4, 4\], got/],
  ] as const) {
    await t.throwsAsync(tokenizer.decode(source as never, options), { instanceOf, message });
  }
});

test('a disposed tokenizer says so', async (t) => {
  const opened = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
  opened.dispose();
  opened[Symbol.dispose]();
  await t.throwsAsync(opened.encode(noise([1, 3, 16, 16])), { message: /has been disposed of/ });
  await t.throwsAsync(opened.decode(torch.zeros([1, 1, 1], { dtype: 'int64' })), { message: /disposed/ });
  t.throws(() => structuredClone(opened), { any: true, message: /a tokenizer belongs to its thread/ });
});
