import { appendFile, cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ImageDataError } from '../../../src/data/image-error.js';
import type { ImageSource } from '../../../src/data/image-source.js';
import { inspectImages, describeImages } from '../../../src/data/inspect-images.js';
import { openImages } from '../../../src/data/open-images.js';
import { packImages, packStore } from '../../../src/data/packed/pack-images.js';
import { PackedImages, packedSize } from '../../../src/data/packed/packed-images.js';
import type { PackIndex } from '../../../src/data/packed/packed-index.js';
import { contentHash } from '../../../src/data/split.js';
import { folderFor, gradientImage, writePictures } from '../pictures/pictures.js';

const all = (source: ImageSource) => Array.from({ length: source.length }, (_, i) => i);

/** Two classes of pictures, some of them long ones. */
async function photos(t: Pick<ExecutionContext, 'teardown'>): Promise<string> {
  const folder = await folderFor(t);
  for (const name of ['cats', 'dogs']) {
    await mkdir(join(folder, name));
    await writePictures(join(folder, name), 10);
    await gradientImage(40, 20, name.charCodeAt(0))
      .png()
      .toFile(join(folder, name, 'wide.png'));
  }
  return folder;
}

test('packed images give the same pixels, classes and sides as their files', async (t) => {
  const files = await photos(t);
  await writeFile(join(files, 'cats', 'broken.png'), 'no picture');
  const packed = join(await folderFor(t), 'new', 'packed');
  const report = await packImages({ path: files, size: 8 }, packed, { shardBytes: 1000 });
  t.is(report.images, 22);
  t.is(report.bytes, 20 * 8 * 8 * 3 + 2 * 16 * 8 * 3);
  t.is(report.skipped[0]?.path, join(files, 'cats', 'broken.png'));
  t.is(await packedSize(packed), 8);

  const config = { size: 8, heldOut: 0.2 };
  const live = await openImages({ path: files, ...config });
  const ready = await openImages({ path: packed, ...config });
  t.is(ready.report.kind, 'packed');
  t.is(ready.report.skipped.length, 1);
  t.true(ready.index!.shards.length > 4);
  for (const side of ['train', 'heldOut'] as const) {
    const [a, b] = [live[side], ready[side]];
    t.deepEqual(b.classes, a.classes);
    t.deepEqual(
      all(b).map((i) => [b.hash(i), b.label(i)]),
      all(a).map((i) => [a.hash(i), a.label(i)]),
    );
    const views = all(a).map((i) => ({ x: 1, y: 0.5, flip: i % 2 === 1 }));
    t.deepEqual(await b.readBytes(all(b), views), await a.readBytes(all(a), views));
  }
  await ready.close();
});

test('packed scenes keep the sides they were made with', async (t) => {
  const packed = join(await folderFor(t), 'scenes');
  const made = { size: 16, count: 12, heldOut: 4 };
  await packImages({ path: 'scenes', ...made }, packed);
  const ready = await openImages({ path: packed, size: 16, heldOut: 0.5 });
  const live = await openImages({ path: 'scenes', ...made });
  t.is(ready.train.length, 8);
  t.deepEqual(await ready.heldOut.readBytes([0, 1, 2, 3]), await live.heldOut.readBytes([0, 1, 2, 3]));
  t.deepEqual(ready.train.classes, live.train.classes);
  await ready.close();
});

test('a packed folder appears whole or not at all, and replaces only one of its kind', async (t) => {
  const files = await photos(t);
  const root = await folderFor(t);
  const packed = join(root, 'packed');
  const config = { path: files, size: 8 };
  await writePictures(files, 40); // More than are decoded before the first are written.
  const controller = new AbortController();
  const signal = controller.signal;
  const onProgress = (label: string) => label === 'packing images' && controller.abort(new Error('stopped'));
  await t.throwsAsync(packImages(config, packed, { signal, onProgress }), { message: 'stopped' });
  t.deepEqual(await readdir(root), []);
  await packImages(config, packed);
  await t.throwsAsync(packImages(config, packed), { message: /packed images here already; .*--overwrite/ });
  await packImages({ ...config, size: 4 }, packed, { overwrite: true });
  t.is(await packedSize(packed), 4);
  t.deepEqual(await readdir(root), ['packed']);

  await t.throwsAsync(
    packImages(config, packed, { overwrite: true, signal: AbortSignal.abort(new Error('no')) }),
    {
      message: 'no',
    },
  );
  t.is(await packedSize(packed), 4);
  t.deepEqual(await readdir(root), ['packed']);

  await t.throwsAsync(packImages(config, files, { overwrite: true }), {
    instanceOf: ImageDataError,
    message: /the folder is not empty/,
  });
  await t.throwsAsync(packImages(config, join(files, 'cats', 'wide.png')), {
    message: /this is a file; name a new/,
  });
  await t.throwsAsync(packImages({ ...config, path: packed }, join(root, 'again')), {
    message: /packed already/,
  });
  await t.throwsAsync(packImages({ ...config, path: await folderFor(t) }, join(root, 'none')), {
    message: /no images/,
  });
  t.deepEqual(await readdir(root), ['packed']);
});

test('images packed at another size are refused with both ways out', async (t) => {
  const files = await photos(t);
  const packed = join(await folderFor(t), 'packed');
  await packImages({ path: files, size: 8 }, packed);
  await t.throwsAsync(openImages({ path: packed, size: 16 }), {
    instanceOf: ImageDataError,
    message: new RegExp(
      `packed at 8 pixels, not 16: set data.size=8, or .*npx tessera-torch data pack ${files} --size 16`,
    ),
  });
});

type Spoil = (folder: string, index: PackIndex) => Promise<unknown>;
const rewrite = (change: (index: PackIndex) => void): Spoil => {
  return (folder, index) => {
    change(index);
    return writeFile(join(folder, 'index.json'), JSON.stringify(index));
  };
};
const damages: [string, Spoil, RegExp][] = [
  [
    'a short shard',
    (folder) => truncate(join(folder, 'pixels-00000.bin'), 100),
    /has 100 bytes, the index says/,
  ],
  ['a shard that grew', (folder) => appendFile(join(folder, 'pixels-00000.bin'), 'x'), /the index says/],
  [
    'a cut index',
    (folder) => truncate(join(folder, 'index.json'), 200),
    /index of the packed images cannot be read/,
  ],
  [
    'a later version',
    rewrite((index) => (index.version = 9 as 1)),
    /its version is 9, this release reads 1 and 2/,
  ],
  ['no images', rewrite((index) => (index.records!.bytes = 0)), /lists no images/],
  ['half a record', rewrite((index) => (index.records!.bytes -= 9)), /its records have 1399 bytes/],
  ['no records', rewrite((index) => (index.records = undefined!)), /no lists of images/],
  ['maps that are a list', rewrite((index) => (index.maps = ['depth'] as never)), /its maps are not/],
  ['a map without a kind', rewrite((index) => (index.maps = { depth: null! })), /its maps are not/],
  ['labels that are numbers', rewrite((index) => (index.maps = { a: { labels: [1 as never] } })), /its maps/],
  ['a map that its shard lacks', rewrite((index) => (index.maps = { depth: {} })), /is outside its shard/],
  ['no lists', rewrite((index) => (index.shards = null as never)), /no lists of images/],
  ['fewer classes', rewrite((index) => index.classes.pop()), /image 11 has an unknown class: 1/],
  [
    'short names',
    (folder) => truncate(join(folder, 'names.bin'), 9),
    /names\.bin: has 9 bytes, the index says/,
  ],
  [
    'a changed record',
    async (folder) => {
      const bytes = await readFile(join(folder, 'records.bin'));
      bytes[64 + 40]! ^= 1;
      await writeFile(join(folder, 'records.bin'), bytes);
    },
    /records\.bin: its contents have changed/,
  ],
];

let whole: string;
const afterAll: (() => unknown)[] = [];
test.before(async () => {
  const teardown = (fn: () => unknown) => void afterAll.push(fn);
  whole = join(await folderFor({ teardown }), 'packed');
  await packImages({ path: await photos({ teardown }), size: 8 }, whole);
});
test.after.always(() => Promise.all(afterAll.map((fn) => fn())));

for (const [what, spoil, message] of damages) {
  test(`a packed folder with ${what} is refused, with the way out`, async (t) => {
    const packed = join(await folderFor(t), 'packed');
    await cp(whole, packed, { recursive: true });
    await spoil(packed, JSON.parse(await readFile(join(packed, 'index.json'), 'utf8')) as PackIndex);
    const error = await t.throwsAsync(openImages({ path: packed, size: 8 }), {
      instanceOf: ImageDataError,
      message,
    });
    t.regex(error.message, /: npx tessera-torch data pack$/);
  });
}

const listing = new URL('../../fixtures/packed-1', import.meta.url).pathname;
const listDamages: [string, (index: PackIndex) => unknown, RegExp][] = [
  ['an image outside its shard', ({ images }) => (images![3]!.offset = 1e9), /image 3 is outside/],
  ['an image too small', ({ images }) => (images![2]!.width = 2), /image 2 is outside/],
  ['an unknown class', ({ images }) => (images![1]!.label = 7), /image 1 has an unknown class: 7/],
  ['no images', (index) => (index.images = []), /lists no images/],
];
for (const [what, change, message] of listDamages) {
  test(`a folder packed by an earlier release with ${what} is refused`, async (t) => {
    const packed = join(await folderFor(t), 'packed');
    await cp(listing, packed, { recursive: true });
    const index = JSON.parse(await readFile(join(packed, 'index.json'), 'utf8')) as PackIndex;
    await rewrite(change)(packed, index);
    await t.throwsAsync(openImages({ path: packed, size: 4 }), { instanceOf: ImageDataError, message });
  });
}

test('a folder packed by an earlier release is read as before', async (t) => {
  const { train, heldOut, report, close } = await openImages({ path: listing, size: 4, heldOut: 1 });
  t.is(report.fingerprint, '901479e728e51d20');
  t.deepEqual([train.length, heldOut.length], [5, 1]);
  t.is(train.name(0), 'cats/0.png');
  t.deepEqual(train.classes, ['cats', 'dogs']);
  t.is(
    contentHash(await train.readBytes([0, 1, 2, 3, 4])),
    'befce1bd72edddbb1e6d172d1d87d29501abb37ffa43f99ebd72fab8a5e37ac1',
  );
  await close();
});

test('a changed pixel is an error that names its image as soon as it is read', async (t) => {
  const packed = join(await folderFor(t), 'packed');
  await cp(whole, packed, { recursive: true });
  const shard = join(packed, 'pixels-00000.bin');
  const pixels = await readFile(shard);
  pixels[3 * 8 * 8 * 3 + 5]! ^= 1;
  await writeFile(shard, pixels);
  const store = await PackedImages.open(packed);
  t.is((await store.load(2)).pixels.length, 8 * 8 * 3);
  await t.throwsAsync(store.load(3), {
    instanceOf: ImageDataError,
    message: /pixels-00000\.bin: image 3 \(cats\/003\.png\) has changed since it was written; pack/,
  });
  await store.close();
});

test('a store that makes its images is packed with names, classes and hashes', async (t) => {
  const packed = join(await folderFor(t), 'packed');
  const picture = (i: number) => ({
    width: 3,
    height: 2,
    pixels: Uint8Array.from({ length: 18 }, (_, k) => i + k),
  });
  const length = 5000; // More than are written at once.
  const store = {
    length,
    classes: ['even', 'odd'],
    name: (i: number) => `picture ${i} \udce9`,
    label: (i: number) => i % 2,
    hash: (i: number) => contentHash(`${i}`),
    load: async (i: number) => (i === 7 ? null : picture(i % 200)),
    close: async () => {},
  };
  t.like(await packStore(store, 2, packed, { shardBytes: 50_000 }), { images: 4999, bytes: 4999 * 18 });
  const read = await PackedImages.open(packed);
  t.is(read.length, 4999);
  for (const [at, i] of [
    [6, 6],
    [7, 8],
    [4998, 4999],
  ] as const) {
    t.deepEqual(
      [read.name(at), read.label(at), read.hash(at)],
      [`picture ${i} \udce9`, i % 2, contentHash(`${i}`)],
    );
    t.deepEqual(new Uint8Array((await read.load(at)).pixels), picture(i % 200).pixels);
  }
  t.throws(() => read.hash(4999), {
    instanceOf: RangeError,
    message: /index 4999 is out of range for 4999 images/,
  });
  await read.close();
  await t.throwsAsync(packStore({ ...store, hash: () => 'abc' }, 2, join(packed, 'no')), {
    message: /must be a SHA-256/,
  });
});

test('inspecting tells what there is, and finds changed pixels', async (t) => {
  const files = await photos(t);
  await writeFile(join(files, 'dogs', 'bad.png'), '');
  await writeFile(join(files, 'notes.txt'), '');
  const text = describeImages(await inspectImages({ path: files, size: 16, heldOut: 0 }));
  t.is(
    text.replaceAll(files, 'PHOTOS'),
    [
      'PHOTOS (folder): 22 images at 16 × 16: 22 to train on, 0 held out',
      '2 classes: cats 11, dogs 11',
      'copies of others: 10 (copies are on the same side of the split)',
      'smaller than 16 pixels: 20 (enlarged; a smaller data.size avoids it)',
      'other files, ignored because of their extension: 1',
      'left out because they cannot be used: 1',
      '  PHOTOS/dogs/bad.png: the file is empty',
    ].join('\n'),
  );
  const packed = join(await folderFor(t), 'packed');
  await packImages({ path: files, size: 8 }, packed);
  t.is((await inspectImages({ path: packed, size: 8, heldOut: 0 })).train, 22);
  const shard = join(packed, 'pixels-00000.bin');
  const pixels = await readFile(shard);
  pixels[50]! ^= 1;
  await writeFile(shard, pixels);
  await t.throwsAsync(inspectImages({ path: packed, size: 8 }), {
    message: /pixels-00000\.bin: its contents have changed since it was written/,
  });
});

test('a packed folder of which very many images were skipped opens, as held-out images, too', async (t) => {
  const packed = join(await folderFor(t), 'packed');
  const others = await folderFor(t);
  await packImages({ path: await photos(t), size: 8 }, packed);
  const path = join(packed, 'index.json');
  await gradientImage(9, 9, 201).png().toFile(join(others, 'other.png'));
  const index = JSON.parse(await readFile(path, 'utf8')) as PackIndex;
  const skipped = Array.from({ length: 200_000 }, (_, i) => ({ path: `${i}.png`, reason: 'broken' }));
  await writeFile(path, JSON.stringify({ ...index, skipped }));
  for (const paths of [{ path: packed }, { path: others, heldOutPath: packed }]) {
    const { report } = await openImages({ ...paths, size: 8 });
    t.is(report.skipped.length, 200_000);
  }
});
