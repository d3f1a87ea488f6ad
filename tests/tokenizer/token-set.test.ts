import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { EncodeFlags } from '../../src/cli/commands/encode/command.js';
import { ImageDataError } from '../../src/data/image-error.js';
import { openImages } from '../../src/data/open-images.js';
import { fixedViews } from '../../src/data/batches/views.js';
import { RunError } from '../../src/runs/error.js';
import { ImageTokenizer } from '../../src/tokenizer/image-tokenizer.js';
import { TokenSet } from '../../src/tokenizer/token-set.js';
import { temporaryFolder } from '../training/tiny.js';
import { encoded, photosOfClasses } from './token-sets.js';
import { png, runs } from './tokenizers.js';

let made: Awaited<ReturnType<typeof runs>>;
let photos: string;
let remove: () => unknown;
test.before(async () => {
  made = await runs();
  photos = temporaryFolder({ teardown: (fn) => (remove = fn) });
  await photosOfClasses(photos, 5);
});
test.after.always(() => (made.remove(), remove()));

const set = (t: ExecutionContext, flags: Partial<EncodeFlags> = {}) =>
  encoded(made.vqgan, photos, { out: join(temporaryFolder(t), 'tokens'), shard: 2, ...flags });

const formats: [string, Partial<EncodeFlags>][] = [
  ['jsonl', {}],
  ['jsonl, moved ids', { offset: 100 }],
  ['jsonl, markers', { offset: 7, markers: { begin: 1, row: 2, end: 3 } }],
  ['jsonl, text', { template: 'emu3' }],
  ['npy', { to: 'npy' }],
  ['npy, markers', { to: 'npy', markers: { begin: 20, row: 22, end: 23 } }],
  ['safetensors', { to: 'safetensors', offset: 9 }],
];
test.serial(
  'each format gives the ids of the crops that training would see, and their classes',
  async (t) => {
    const views = { count: 3, crop: 'random', flip: 'both', seed: 5 } as const;
    const { train } = await openImages({ path: photos, size: 16, heldOut: 0 });
    using tokenizer = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
    const expected: number[][] = [];
    for (let i = 0; i < train.length; i++) {
      const shown = fixedViews(train.hash(i), views);
      const images = await train.read(
        shown.map(() => i),
        { views: shown },
      );
      const { ids } = await tokenizer.encode(images);
      expected.push(...(ids.flatten(1).tolist() as number[][]));
    }
    t.true(new Set(expected.map((row) => row.join())).size > 20);
    for (const [name, flags] of formats) {
      using tokens = await TokenSet.open(await set(t, { views: 3, flip: 'both', seed: 5, ...flags }));
      t.deepEqual(
        [tokens.length, tokens.views, tokens.grid, tokens.classes],
        [5, 6, [8, 8], ['even', 'odd']],
        name,
      );
      t.deepEqual(tokens.ids.to('int64').tolist(), expected, name);
      t.deepEqual(tokens.read([4, 0], [2, 5]).tolist(), [expected[26]!, expected[5]!]);
      const all = [0, 1, 2, 3, 4];
      t.deepEqual(
        all.map((i) => basename(tokens.name(i))),
        ['00.png', '02.png', '04.png', '01.png', '03.png'],
      );
      t.deepEqual(
        all.map((i) => tokens.label(i)),
        [0, 0, 0, 1, 1],
      );
      t.deepEqual(
        all.map((i) => tokens.hash(i)),
        all.map((i) => train.hash(i)),
      );
      tokens.checkMadeWith(tokenizer.model);
    }
  },
);

test.serial('sets of whole squares can be read too: their images are known by their ids', async (t) => {
  for (const flags of [{ to: 'jsonl' }, { to: 'npy', shard: undefined }, { to: 'safetensors' }] as const) {
    const { shard: _, ...given } = { shard: 2, ...flags };
    const out = join(temporaryFolder(t), 'tokens');
    using tokens = await TokenSet.open(await encoded(made.vqgan, photos, { out, square: true, ...given }));
    t.deepEqual([tokens.length, tokens.views, tokens.classes, tokens.hashed], [5, 1, [], false]);
    t.is(tokens.label(0), undefined);
    const bytes = Buffer.from(Int32Array.from(tokens.ids.select(0, 3).tolist() as number[]).buffer);
    t.is(tokens.hash(3), createHash('sha256').update(bytes).digest('hex'));
  }
});

test.serial('half-written, altered and unfinished sets are refused by name', async (t) => {
  const whole = await set(t, { views: 2 });
  const arrays = await set(t, { views: 2, to: 'npy' });
  const damaged: [RegExp, string, (folder: string) => void][] = [
    [
      /tokens-00001\.jsonl: has changed since.*repeat the encode/,
      whole,
      (folder) => {
        const path = join(folder, 'tokens-00001.jsonl');
        writeFileSync(path, readFileSync(path).subarray(0, 300));
      },
    ],
    [
      /tokens-00001\.json: this or tokens-00001\.npy has changed/,
      arrays,
      (folder) => {
        const path = join(folder, 'tokens-00001.npy');
        const bytes = readFileSync(path);
        bytes[bytes.length - 8]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
    [/tokens-00002\.jsonl: is missing/, whole, (folder) => rmSync(join(folder, 'tokens-00002.jsonl'))],
    [
      /tokens: is not finished: it has 2 of 3 shards; repeat the encode command/,
      whole,
      (folder) => {
        const path = join(folder, 'tokens.json');
        const list = JSON.parse(readFileSync(path, 'utf8')) as { shards: Record<string, unknown> };
        delete list.shards['2'];
        writeFileSync(path, JSON.stringify(list));
      },
    ],
    [
      /tokens\.json: is damaged/,
      whole,
      (folder) => writeFileSync(join(folder, 'tokens.json'), '{"format": 1,'),
    ],
    [/newer tessera-torch/, whole, (folder) => writeFileSync(join(folder, 'tokens.json'), '{"format": 2}')],
    [/this is not a token set/, whole, (folder) => rmSync(join(folder, 'tokens.json'))],
  ];
  for (const [message, source, damage] of damaged) {
    const folder = join(temporaryFolder(t), 'tokens');
    cpSync(source, folder, { recursive: true });
    damage(folder);
    await t.throwsAsync(TokenSet.open(folder), { instanceOf: ImageDataError, message });
  }
  const wide = await photosOfClasses(join(temporaryFolder(t), 'photos'), 2);
  writeFileSync(join(wide, 'even', '03.png'), await png(32, 16));
  const mixed = await encoded(made.vqgan, wide, { out: join(wide, 'tokens') });
  await t.throwsAsync(TokenSet.open(mixed), {
    instanceOf: ImageDataError,
    message:
      /different grids, such as 8 × 12 and, of .*03\.png, 8 × 16: encode them with --views, or with --square/,
  });
  await t.throwsAsync(openImages({ path: whole, size: 16 }), {
    message: /tokens of images, on which only a transformer/,
  });
});

test.serial('a set is known by the weights that made it, in half precision too', async (t) => {
  using tokens = await TokenSet.open(await set(t, { views: 1, precision: 'bfloat16' }));
  using tokenizer = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
  tokens.checkMadeWith(tokenizer.model);
  tokenizer.model.encoder.convIn.bias!.data.add_(1e-3);
  t.throws(() => tokens.checkMadeWith(tokenizer.model), {
    instanceOf: RunError,
    message: /another first stage, or another checkpoint/,
  });
  t.throws(() => tokens.read([0], [1]), { message: /view 1 of image 0: each image has views 0 to 0/ });
  t.throws(() => tokens.read([5], [0]), { message: /image index 5 is out of range/ });
});

test.serial('a stopped or damaged set of views goes on to the same bytes', async (t) => {
  const flags = { views: 4, crop: 'resized', to: 'safetensors' } as const;
  const out = await set(t, flags);
  const bytes = () =>
    readdirSync(out)
      .sort()
      .map((name) => [name, readFileSync(join(out, name), 'latin1')]);
  const before = bytes();
  const list = JSON.parse(readFileSync(join(out, 'tokens.json'), 'utf8')) as {
    shards: Record<string, unknown>;
  };
  delete list.shards['1'];
  writeFileSync(join(out, 'tokens.json'), JSON.stringify(list));
  rmSync(join(out, 'tokens-00001.safetensors'));
  writeFileSync(join(out, 'tokens-00002.safetensors'), 'half');
  await encoded(made.vqgan, photos, { out, shard: 2, ...flags });
  t.deepEqual(bytes(), before);
});

const mistakes: [RegExp, Partial<EncodeFlags>, number?][] = [
  [/--crop is of the crops of --views/, { crop: 'resized' }],
  [/--seed is of the crops of --views/, { seed: 0 }],
  [/--views takes the images of one path.*got 2/, { views: 2 }, 2],
  [/--crop center has one crop of each image, not 3/, { views: 3, crop: 'center' }],
  [/--fit pad is not meant/, { views: 2, fit: 'pad' }],
  [/--tile is not meant/, { views: 2, tile: 16 }],
  [/--size 17 is not a multiple of 2.*give 18/, { views: 2, size: 17 }],
];
test.serial('flags of views that cannot be are refused before anything is written', async (t) => {
  for (const [message, flags, paths = 1] of mistakes) {
    const out = join(temporaryFolder(t), 'tokens');
    await t.throwsAsync(encoded(made.vqgan, Array<string>(paths).fill(photos), { out, ...flags }), {
      message,
    });
    t.throws(() => readdirSync(out));
  }
});

test.serial('broken images are left out of a set of views and named', async (t) => {
  const folder = await photosOfClasses(join(temporaryFolder(t), 'photos'), 4);
  const broken = join(folder, 'even', '02.png');
  writeFileSync(broken, readFileSync(broken).subarray(0, 120)); // Its header is whole.
  writeFileSync(join(folder, 'odd', '03.png'), 'text');
  const write = process.stderr.write;
  let told = '';
  process.stderr.write = (text: string | Uint8Array) => ((told += String(text)), true);
  const out = await encoded(made.vqgan, folder, { out: join(folder, 'tokens'), views: 3 }).finally(
    () => (process.stderr.write = write),
  );
  t.regex(told, /left out .*03\.png: this is not/);
  t.regex(told, /left out .*02\.png: /);
  t.regex(told, /2 of the images could not be used/);
  using tokens = await TokenSet.open(out);
  t.deepEqual(
    [0, 1].map((i) => [basename(tokens.name(i)), tokens.label(i)]),
    [
      ['00.png', 0],
      ['01.png', 1],
    ],
  );
  t.is(tokens.length, 2);
});
