import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { decode } from '../../src/cli/commands/decode/run.js';
import { encode } from '../../src/cli/commands/encode/run.js';
import type { EncodeFlags } from '../../src/cli/commands/encode/command.js';
import type { TokenFlags } from '../../src/cli/token-flags.js';
import { UsageError } from '../../src/cli/usage-error.js';
import { presetFile } from '../../src/config/presets.js';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import { bytesToImages } from '../../src/data/pictures/image-tensor.js';
import type { FirstStage } from '../../src/models/autoencoder/vqgan.js';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import { readConfig } from '../../src/models/registry/read-config.js';
import { withoutLoss } from '../../src/models/registry/without-loss.js';
import { readFitted } from '../../src/tokenizer/fit.js';
import { ImageTokenizer } from '../../src/tokenizer/image-tokenizer.js';
import { saveNpy, savePytorch, saveSafetensors } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import { temporaryFolder } from '../training/tiny.js';
import { png, runs } from '../tokenizer/tokenizers.js';

let made: Awaited<ReturnType<typeof runs>>;
let tokenizer: ImageTokenizer;
test.before(async () => {
  made = await runs();
  tokenizer = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
});
test.after.always(() => made.remove());

const common = { offset: 0, batch: 2, device: 'cpu', precision: 'float32', quiet: true } as const;
const encodeDefaults = { ...common, to: 'jsonl', fit: 'crop', padding: 'reflect' } as const;

async function photos(t: ExecutionContext): Promise<string> {
  const folder = join(temporaryFolder(t), 'photos');
  mkdirSync(folder);
  for (const [i, width] of [16, 21, 16].entries())
    writeFileSync(join(folder, `${i}.png`), await png(width, 15, i));
  return folder;
}

const pixelsOf = async (file: string | Uint8Array) => {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: data };
};

/** The largest difference of two images of one size, in levels of 0 to 255. */
async function levelsApart(t: ExecutionContext, file: string, right: Uint8Array): Promise<number> {
  const [found, expected] = [await pixelsOf(file), await pixelsOf(right)];
  t.deepEqual([found.width, found.height], [expected.width, expected.height]);
  return Math.max(...found.pixels.map((level, i) => Math.abs(level - expected.pixels[i]!)));
}

const markers = { begin: 1, row: 2, end: 3 };
const settings: [string, Partial<EncodeFlags>][] = [
  ['jsonl', {}],
  ['jsonl with markers', { offset: 50, markers }],
  ['npy per image', { to: 'npy' }],
  ['npy per image with markers', { to: 'npy', offset: 4, markers }],
  ['npy shards', { to: 'npy', shard: 2 }],
  ['npy shards with markers', { to: 'npy', shard: 2, offset: 50, markers }],
  ['safetensors', { to: 'safetensors', offset: 9 }],
];

for (const [name, flags] of settings) {
  test.serial(`tokens of encode become the images that the tokenizer decodes: ${name}`, async (t) => {
    const folder = await photos(t);
    const [tokens, out] = [join(folder, 'tokens'), join(folder, 'out')];
    const fit = { fit: 'pad', size: 15 } as const;
    await encode(made.vqgan, [folder], { ...encodeDefaults, ...fit, ...flags, out: tokens });
    const { offset = 0 } = flags;
    await decode(made.vqgan, [tokens], {
      ...common,
      offset,
      ...(flags.markers && { markers: flags.markers }),
      out,
    });
    t.deepEqual(readdirSync(out).sort(), ['0.png', '1.png', '2.png']);
    for (const file of readdirSync(out)) {
      const encoded = await tokenizer.encode(join(folder, file), fit);
      // An array of a single image does not name its size.
      const single = flags.to === 'npy' && flags.shard === undefined;
      const [decoded] = await tokenizer.decodePng(single ? encoded.ids : encoded);
      // In a batch of two, which on some processors rounds otherwise than an image alone: a level at .5 differs.
      t.true((await levelsApart(t, join(out, file), decoded!)) <= 1, file);
    }
    const exif = (await sharp(join(out, '0.png')).metadata()).exif!.toString('latin1');
    t.regex(exif, /"command":"decode"/);
  });
}

const write = (t: ExecutionContext, name: string, text: string): string => {
  const path = join(temporaryFolder(t), name);
  writeFileSync(path, text);
  return path;
};

const refused = async (
  t: ExecutionContext,
  path: string,
  message: RegExp,
  flags: Partial<TokenFlags> = {},
) => {
  const out = join(temporaryFolder(t), 'out');
  await t.throwsAsync(decode(made.vqgan, [path], { ...common, ...flags, out }), { message });
};

test.serial('both take a checkpoint file with the name of a preset, or its YAML file', async (t) => {
  const preset = presetFile('vqgan', 'small')!;
  const { model } = await readConfig(preset);
  const own = modelFromConfig<FirstStage>(withoutLoss(model)).eval();
  const folder = await photos(t);
  const file = join(folder, 'small.ckpt');
  await savePytorch(file, { state_dict: Object.fromEntries(own.stateDict()) });
  const target = { stride: own.stride, channels: 3, size: 16 };
  for (const config of ['small', preset]) {
    const [tokens, out] = ['tokens', 'out'].map((name) => join(temporaryFolder(t), name)) as [string, string];
    await encode(file, [join(folder, '0.png')], { ...encodeDefaults, config, size: 16, out: tokens });
    await decode(file, [tokens], { ...common, config, out });
    const { pixels, height, width } = await readFitted('0', join(folder, '0.png'), target, {});
    const { reconstruction, indices } = torch.noGrad(() =>
      own.forward(bytesToImages(pixels, [height, width], 3)),
    );
    const line = JSON.parse(readFileSync(join(tokens, 'tokens-00000.jsonl'), 'utf8')) as { ids: number[] };
    t.deepEqual(line.ids, indices.flatten().tolist());
    const shown = Buffer.from(imageGrid(reconstruction).pixels);
    const drawn = await pixelsOf(join(out, '0.png'));
    t.true(drawn.pixels.every((level, i) => Math.abs(level - shown[i]!) <= 1));
  }
  const to = { ...encodeDefaults, config: 'smal', out: folder };
  await t.throwsAsync(encode(file, [folder], to), { message: /the nearest is "small"/ });
});

test.serial('both compute in half precision and in tiles where that is asked for', async (t) => {
  const folder = await photos(t);
  const photo = join(folder, 'large.png');
  writeFileSync(photo, await png(96, 96));
  const seen = new Set<string>();
  for (const { precision, ...tiles } of [
    { precision: 'float32' },
    { precision: 'bfloat16' },
    { precision: 'float32', tile: 32 },
    { precision: 'float32', tile: 32, overlap: 16 },
  ] as const) {
    const [tokens, out] = ['tokens', 'out'].map((name) => join(temporaryFolder(t), name)) as [string, string];
    const flags = { ...encodeDefaults, precision, ...tiles, size: 96, out: tokens };
    await encode(made.vqgan, [photo], flags);
    await decode(made.vqgan, [tokens], { ...common, precision, ...tiles, out });
    using own = await ImageTokenizer.open(made.vqgan, { device: 'cpu', dtype: precision });
    const { ids } = await own.encode(photo, { size: 96, ...tiles });
    const line = JSON.parse(readFileSync(join(tokens, 'tokens-00000.jsonl'), 'utf8')) as { ids: number[] };
    t.deepEqual(line.ids, ids.flatten().tolist());
    const [expected] = await own.decodePng(ids, tiles);
    t.is(await levelsApart(t, join(out, 'large.png'), expected!), 0);
    // The same ids, decoded in each way.
    const same = await own.decodePng(await tokenizer.encode(photo, { size: 96 }), tiles);
    seen.add(line.ids.join()).add((await pixelsOf(same[0]!)).pixels.toString('hex'));
  }
  t.is(seen.size, 8, 'each way has ids and pixels of its own');
});

test.serial('lines of other programs need only ids and a grid', async (t) => {
  const path = write(
    t,
    'mine.jsonl',
    '\n{"grid":[2,3],"ids":[0,1,2,3,4,15]}\n\n{"file":"a/b.jpg","grid":[2,1],"ids":[7,8]}\n',
  );
  const out = join(temporaryFolder(t), 'out');
  await decode(made.vqgan, [path], { ...common, out });
  t.deepEqual(readdirSync(out).sort(), ['b.png', 'mine-2.png']);
  t.like(await pixelsOf(join(out, 'mine-2.png')), { width: 6, height: 4 });
});

test.serial('token files that are damaged, or of other settings, are refused with the place', async (t) => {
  const folder = temporaryFolder(t);
  await refused(t, join(folder, 'gone'), /gone: there is no such token file or folder/);
  await refused(t, folder, /there are no token files here \(\.jsonl, \.npy, \.safetensors\)/);
  await refused(t, write(t, 'a.txt', ''), /a\.txt: this is not a token file/);
  const good = '{"file":"a.png","grid":[1,2],"ids":[1,2]}\n';
  await refused(
    t,
    write(t, 'a.jsonl', `${good}{"file":"b.p`),
    /a\.jsonl:2: this is not a line .*is the file whole/,
  );
  await refused(t, write(t, 'a.jsonl', '{"ids":"12"}'), /a\.jsonl:1: "ids" is not a list of integers/);
  await refused(t, write(t, 'a.jsonl', '{"ids":[1],"grid":1}'), /"grid" is not \[rows, columns\]/);
  await refused(t, write(t, 'a.jsonl', '{"ids":[1]}'), /the grid of 1 tokens is not known/);
  await refused(
    t,
    write(t, 'a.jsonl', good.replace('[1,2]}', '[1,16]}')),
    /:1: token 16 is not an id, which are 0 to 15/,
  );
  await refused(t, write(t, 'a.jsonl', good), /token 1 is not an id, which are 3 to 18/, { offset: 3 });
  await refused(t, write(t, 'a.jsonl', good), /first token is 1, not the marker 20/, {
    markers: { begin: 20, row: 21, end: 22 },
  });
  const npy = join(folder, 'a.npy');
  await saveNpy(npy, torch.zeros([2, 2]));
  await refused(t, npy, /a\.npy: float32 \[1, 2, 2\] does not hold grids/);
  await saveNpy(npy, torch.zeros([4], { dtype: 'int32' }));
  await refused(
    t,
    npy,
    /int32 \[4\] does not hold grids \[N, h, w\] of integers; sequences need their --markers/,
  );
  writeFileSync(npy, readFileSync(npy).subarray(0, 130));
  await refused(t, npy, /a\.npy has 2 bytes of elements/);
  const safetensors = join(folder, 'a.safetensors');
  await saveSafetensors(safetensors, { weight: torch.zeros([1]) });
  await refused(t, safetensors, /there is no tensor "ids"/);
});

test.serial('markers that are ids are wrong usage', async (t) => {
  const path = write(t, 'a.jsonl', '{"grid":[1,1],"ids":[1]}');
  const out = join(temporaryFolder(t), 'out');
  await t.throwsAsync(decode(made.vqgan, [path], { ...common, out, markers }), {
    instanceOf: UsageError,
    message: /marker begin is 1, which is also an id/,
  });
});
