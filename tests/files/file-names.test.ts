import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { decodeName, recoverPath, shownPath, systemPath } from '../../src/files/file-names.js';
import { ImageDataError } from '../../src/data/image-error.js';
import { describeImages, inspectImages } from '../../src/data/inspect-images.js';
import { openImages } from '../../src/data/open-images.js';
import { packImages } from '../../src/data/packed/pack-images.js';
import { folderFor, plain } from '../data/pictures/pictures.js';

const bytesOf = (path: string) => Buffer.from(path, 'latin1');

/** A picture under a name of bytes, `\xe9` being one. */
async function put(path: string, blue = 0): Promise<void> {
  await writeFile(bytesOf(path), await plain(8, 8, { r: 9, g: 9, b: blue }).png().toBuffer());
}

testProp('any name comes back as the bytes it was', [fc.uint8Array({ maxLength: 12 })], (t, bytes) => {
  const path = systemPath(decodeName(bytes));
  t.deepEqual([...(typeof path === 'string' ? Buffer.from(path) : path)], [...bytes]);
});

test('names that are UTF-8 stay as they are, others are shown by their bytes', (t) => {
  for (const name of ['café.png', '写真', 'a\ufffdb', '😀']) t.is(decodeName(Buffer.from(name)), name);
  t.is(shownPath(decodeName(bytesOf('caf\xe9/\xff.png'))), 'caf\\xe9/\\xff.png');
  t.is(decodeName(bytesOf('caf\xe9')).length, 4);
});

test('pictures and folders whose names are not UTF-8 are opened like any other', async (t) => {
  const folder = await folderFor(t);
  for (const [i, name] of ['caf\xe9', 'caf\xe8', 'tea'].entries()) {
    await mkdir(bytesOf(join(folder, name)));
    await put(join(folder, name, 'na\xefve.png'), 20 * i);
    await put(join(folder, name, 'plain.png'), 20 * i + 9);
  }
  await symlink(bytesOf(join(folder, 'gone\xe9')), bytesOf(join(folder, 'tea', 'lost\xe9.png')));
  for (const decodeAll of [true, false]) {
    const { train, report } = await openImages(
      { path: folder, size: 4, heldOut: 0 },
      { decodeAll, cacheBytes: 0 },
    );
    t.is(report.train, 6);
    t.deepEqual(report.classes, ['caf\\xe8', 'caf\\xe9', 'tea']);
    t.deepEqual((await train.read([0, 1, 2, 3, 4, 5])).shape, [6, 3, 4, 4]);
    t.deepEqual(
      report.skipped.map(({ reason }) => reason),
      ['there is no such file'],
    );
  }
  const found = await inspectImages({ path: folder, size: 4, heldOut: 0 });
  t.regex(
    describeImages(found),
    /3 classes: caf\\xe8 2, caf\\xe9 2, tea 2[^]*tea\/lost\\xe9\.png: there is no such file/,
  );
});

test('a list names such pictures by their bytes, and packing keeps them apart', async (t) => {
  const folder = await folderFor(t);
  await put(join(folder, 'a\xe9.png'), 1);
  await put(join(folder, 'a\xe8.png'), 2);
  await writeFile(join(folder, 'list.txt'), bytesOf('a\xe9.png\na\xe8.png\n'));
  const packed = join(folder, 'packed');
  t.like(await packImages({ path: join(folder, 'list.txt'), size: 4 }, packed), { images: 2, skipped: [] });
  const { train } = await openImages({ path: packed, size: 4, heldOut: 0 });
  t.deepEqual(
    [0, 1].map((i) => shownPath(train.name(i))),
    ['a\\xe9.png', 'a\\xe8.png'],
  );
});

test('a folder that the command line could not name in full is found by what it is shown as', async (t) => {
  const folder = await folderFor(t);
  await mkdir(bytesOf(join(folder, 'caf\xe9')));
  await put(join(folder, 'caf\xe9', 'a.png'));
  for (const given of ['caf\ufffd', 'caf\\xe9']) {
    t.is((await openImages({ path: join(folder, given), size: 4, heldOut: 0 })).train.length, 1);
    t.is(basename(await recoverPath(join(folder, given, 'a.png'))), 'a.png');
  }
  await packImages({ path: join(folder, 'caf\ufffd'), size: 4 }, join(folder, 'p'));
  await rename(join(folder, 'p'), bytesOf(join(folder, 'p\xe9')));
  const packed = await openImages({ path: join(folder, 'p\ufffd'), size: 4, heldOut: 0 });
  t.is(packed.train.name(0), 'a.png');
  t.like(await inspectImages({ path: join(folder, 'p\\xe9'), size: 4, heldOut: 0 }), {
    kind: 'packed',
    train: 1,
  });
  await packed.close();
  await mkdir(bytesOf(join(folder, 'caf\xe8')));
  await t.throwsAsync(openImages({ path: join(folder, 'caf\ufffd'), size: 4 }), {
    instanceOf: ImageDataError,
    message: /there is no such folder or list file/,
  });
});
