import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findShards } from '../../../src/data/files/tar-shards.js';
import { ImageDataError } from '../../../src/data/image-error.js';
import type { ImageSource } from '../../../src/data/image-source.js';
import { openImages } from '../../../src/data/open-images.js';
import { packImages } from '../../../src/data/packed/pack-images.js';
import { folderFor, gradientImage, plain } from '../pictures/pictures.js';
import { tarOf } from './tars.js';

const recorded = new URL('../../fixtures/shards', import.meta.url).pathname;
const all = (source: ImageSource) => Array.from({ length: source.length }, (_, i) => i);
const grey = (value: number) => plain(8, 8, { r: value, g: value, b: value }).png().toBuffer();

for (const path of [recorded, join(recorded, '{000000..000001}.tar')]) {
  test(`archives of Python's tarfile are read from ${path === recorded ? 'a folder' : 'a range'}`, async (t) => {
    const { train, report, close } = await openImages({ path, size: 4, heldOut: 0 });
    t.like(report, { kind: 'tar', train: 4, ignoredKinds: { '.txt': 2 } });
    const pixels = await train.readBytes([0, 1, 2, 3]);
    t.deepEqual(
      [0, 48, 96, 144].map((at) => pixels[at]),
      [10, 20, 30, 40],
    );
    t.deepEqual(
      all(train).map((i) => train.label(i)),
      [2, 0, 2, 0],
    );
    t.deepEqual(train.classes, ['0', '1', '2']);
    t.is(train.name(0), join(recorded, '000000.tar/one.png'));
    for (const [i, shard] of [
      [1, '000000'],
      [3, '000001'],
    ] as const) {
      t.is(train.name(i), join(recorded, `${shard}.tar/a-folder/${'x'.repeat(141)}.png`));
    }
    await close();
  });
}

/** Pictures with two classes in files and in two archives, in the same order. */
async function both(t: ExecutionContext) {
  const root = await folderFor(t);
  const archives = [{}, {}] as Record<string, Buffer | string>[];
  await mkdir(join(root, 'shards'));
  for (const [k, name] of ['cat', 'dog'].entries()) {
    await mkdir(join(root, 'files', name), { recursive: true });
    for (let i = 0; i < 6; i++) {
      const bytes = await gradientImage(10 + i, 8, 40 * i + 7 * k)
        .png()
        .toBuffer();
      await writeFile(join(root, 'files', name, `${i}.png`), bytes);
      archives[k]![`${name}${i}.png`] = bytes;
      archives[k]![`${name}${i}.cls`] = name;
    }
    await writeFile(join(root, 'shards', `${k}.tar`), tarOf(archives[k]!));
  }
  return { files: join(root, 'files'), shards: join(root, 'shards', '{0..1}.tar'), root };
}

test('images in archives are split, ordered and decoded like the same files, and can be packed', async (t) => {
  const { files, shards, root } = await both(t);
  const config = { size: 8, heldOut: 0.3 };
  const live = await openImages({ path: files, ...config });
  await packImages({ path: shards, size: 8 }, join(root, 'packed'));
  for (const path of [shards, join(root, 'packed')]) {
    const tars = await openImages({ path, ...config }, { cacheBytes: 0 });
    t.is(tars.report.fingerprint, live.report.fingerprint);
    for (const side of ['train', 'heldOut'] as const) {
      t.true(live[side].length > 0);
      t.deepEqual(await tars[side].readBytes(all(tars[side])), await live[side].readBytes(all(live[side])));
      t.deepEqual(tars[side].classes, ['cat', 'dog']);
    }
    await tars.close();
  }
});

test('archives with members larger than what is read at once are found by their headers', async (t) => {
  const path = join(await folderFor(t), 'a.tar');
  const noise = Buffer.alloc(300_000, 7);
  await writeFile(
    path,
    tarOf({ '0.bin': noise, '0.png': await grey(9), '1.bin': noise, '1.png': await grey(90) }),
  );
  const { train, close } = await openImages({ path, size: 8, heldOut: 0 });
  const pixels = await train.readBytes([0, 1]);
  t.deepEqual([pixels[0], pixels[192]], [9, 90]);
  await close();
});

const png = 'png of 8 × 8';
const wrong: [string, Record<string, string> | Buffer, RegExp][] = [
  [
    'a label of only some',
    { '0.png': png, '0.cls': '1', '1.png': png },
    /a\.tar\/1\.png: has no label, but others/,
  ],
  ['a description that is not JSON', { '0.png': png, '0.json': '{' }, /a\.tar\/0\.json: is not JSON/],
  ['no images', { 'a.txt': 'x' }, /no images in this archive; looked for files such as 000\.jpg/],
  [
    'gzip',
    Buffer.concat([Buffer.from([0x1f, 0x8b, 8]), Buffer.alloc(600)]),
    /compressed with gzip; .*gunzip/,
  ],
  ['other contents', Buffer.alloc(600, 65), /is not a tar archive, or is damaged at byte 0/],
  [
    'a cut member',
    tarOf({ '0.png': Buffer.alloc(2000) }).subarray(0, 1500),
    /is incomplete: it ends within 0\.png/,
  ],
];
for (const [what, content, message] of wrong) {
  test(`an archive with ${what} is refused, with the place`, async (t) => {
    const path = join(await folderFor(t), 'a.tar');
    const picture = await grey(5);
    const files = Buffer.isBuffer(content)
      ? content
      : tarOf(
          Object.fromEntries(
            Object.entries(content).map(([name, text]) => [name, text === png ? picture : text]),
          ),
        );
    await writeFile(path, files);
    await t.throwsAsync(openImages({ path, size: 8, heldOut: 0 }), { instanceOf: ImageDataError, message });
  });
}

test('missing archives and wrong ranges are refused, and other paths are not taken for archives', async (t) => {
  const folder = await folderFor(t);
  const refused = (path: string, message: RegExp) =>
    t.throwsAsync(openImages({ path: join(folder, path), size: 8 }), { instanceOf: ImageDataError, message });
  await refused('{08..10}.tar', /08\.tar: the archive does not exist/);
  await refused('{3..1}.tar', /\{3\.\.1\} has -1 numbers; expected the smaller one first/);
  await writeFile(join(folder, 'a.tar'), tarOf({}));
  await t.throwsAsync(findShards(folder), { message: /no images in this archive/ });
  await plain(8, 8, 'red').png().toFile(join(folder, 'a.png'));
  t.is(await findShards(folder), null, 'a folder with images');
});
