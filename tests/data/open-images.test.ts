import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test from 'ava';
import { ImageDataError } from '../../src/data/image-error.js';
import { describeImages, inspectImages } from '../../src/data/inspect-images.js';
import { openImages } from '../../src/data/open-images.js';
import type { ImageSource } from '../../src/data/image-source.js';
import { folderFor, gradientImage, plain, writePictures } from './pictures/pictures.js';

const names = (source: ImageSource) =>
  Array.from({ length: source.length }, (_, i) => basename(source.name(i)));

test('a folder is searched recursively, by extension; hidden files and others are passed over', async (t) => {
  const folder = await folderFor(t);
  await mkdir(join(folder, 'b', 'deep', '.thumbnails'), { recursive: true });
  for (const path of ['z.PNG', 'b/y.jpeg', 'b/deep/x.webp', '.hidden.png', 'b/deep/.thumbnails/x.png']) {
    await writeFile(join(folder, path), await plain(9, 9, { r: path.length, g: 0, b: 0 }).png().toBuffer());
  }
  await writeFile(join(folder, 'notes.txt'), 'no picture');
  const { train, report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.deepEqual(names(train), ['x.webp', 'y.jpeg', 'z.PNG']);
  t.like(report, {
    kind: 'folder',
    train: 3,
    heldOut: 0,
    ignored: 1,
    skipped: [],
    decoded: true,
    classes: [],
  });
  t.deepEqual((await train.read([0, 1, 2])).shape, [3, 3, 8, 8]);
});

test('sub-folders are classes if every image is in one', async (t) => {
  const folder = await folderFor(t);
  for (const name of ['cats', 'dogs', 'dogs/big']) {
    await mkdir(join(folder, name));
    await writePictures(join(folder, name), 2);
  }
  const { train } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.deepEqual(train.classes, ['cats', 'dogs']);
  t.deepEqual(
    names(train).map((_, i) => train.label(i)),
    [0, 0, 1, 1, 1, 1],
  );
  await writePictures(folder, 1);
  t.deepEqual((await openImages({ path: folder, size: 8 })).train.classes, []);
});

test('a list file names images relative to itself', async (t) => {
  const folder = await folderFor(t);
  await mkdir(join(folder, 'photos'));
  const [first, second] = await writePictures(join(folder, 'photos'), 3);
  const list = join(folder, 'some.txt');
  await writeFile(list, `# two of three\r\nphotos/${basename(second!)}\r\n\r\n${first}\n${first}\n`);
  const { train, report } = await openImages({ path: list, size: 8, heldOut: 0 });
  t.deepEqual(names(train), [basename(second!), basename(first!)]);
  t.is(report.kind, 'list');
  await writeFile(list, 'photos/gone.png\n');
  await t.throwsAsync(openImages({ path: list, size: 8 }), {
    instanceOf: ImageDataError,
    message: /none of its 1 images can be used.*gone\.png: there is no such file/,
  });
});

test('links are followed once, and a link to nowhere is a file that cannot be read', async (t) => {
  const folder = await folderFor(t);
  const elsewhere = await folderFor(t);
  await writePictures(elsewhere, 2);
  await symlink(elsewhere, join(folder, 'linked'));
  await symlink(folder, join(folder, 'linked', 'round'));
  await symlink(join(folder, 'gone.png'), join(folder, 'dead.png'));
  const { train, report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.is(train.length, 2);
  t.deepEqual(
    report.skipped.map(({ path, reason }) => [basename(path), reason]),
    [['dead.png', 'there is no such file']],
  );
});

/** Bad files of every sort, and three good ones. */
async function mixedFolder(folder: string): Promise<string[]> {
  await writePictures(folder, 3);
  const jpeg = await gradientImage(64, 48).jpeg().toBuffer();
  const bad: [string, Buffer][] = [
    ['bad-empty.png', Buffer.alloc(0)],
    ['bad-half.jpg', jpeg.subarray(0, jpeg.length >> 1)],
    ['bad-text.gif', Buffer.from('no picture')],
    ['bad-vector.png', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
  ];
  for (const [name, bytes] of bad) await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, 'odd-name.png'), jpeg);
  return bad.map(([name]) => name);
}

test('files that cannot be decoded are left out and reported, by path and reason, before training', async (t) => {
  const folder = await folderFor(t);
  const bad = await mixedFolder(folder);
  const { train, report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.deepEqual(names(train), ['000.png', '001.png', '002.png', 'odd-name.png']);
  t.deepEqual(report.skipped.map(({ path }) => basename(path)).sort(), bad);
  for (const { reason } of report.skipped) t.regex(reason, /^[^\n]+$/);
  t.true(report.decoded);
});

test('or end the work with the first, if asked to', async (t) => {
  const folder = await folderFor(t);
  await mixedFolder(folder);
  await t.throwsAsync(openImages({ path: folder, size: 8, onError: 'stop' }), {
    instanceOf: ImageDataError,
    message: /bad-.*\. Repair or remove it, or skip such images with data\.onError=skip$/,
  });
});

test('if not all images are decoded at once, half an image is detected when it is read, and not held out', async (t) => {
  const folder = await folderFor(t);
  const bad = await mixedFolder(folder);
  const options = { decodeAll: false, cacheBytes: 0 };
  const { train, heldOut, report } = await openImages({ path: folder, size: 8, heldOut: 3 }, options);
  t.false(report.decoded);
  t.false(names(heldOut).includes('bad-half.jpg'));
  for (let i = 0; i < train.length; i++) t.deepEqual((await train.read([i])).shape, [1, 3, 8, 8]);
  t.deepEqual(report.skipped.map(({ path }) => basename(path)).sort(), bad);
});

for (const [what, make, message] of [
  ['nothing', async () => {}, /there are no images here or in its sub-folders\. Looked for \.jpg .*built-in/],
  [
    'other files only',
    (folder: string) => writeFile(join(folder, 'a.doc'), ''),
    /no images here or in its sub-folders \(other files: 1\)\./,
  ],
  [
    'broken images only',
    (folder: string) => writeFile(join(folder, 'a.png'), ''),
    /none of its 1 images can be used; the first: .*a\.png: the file is empty/,
  ],
] as const) {
  test(`a folder with ${what} is one clear error`, async (t) => {
    const folder = await folderFor(t);
    await make(folder);
    await t.throwsAsync(openImages({ path: folder, size: 8 }), { instanceOf: ImageDataError, message });
  });
}

test('a missing path and a file that is not a list are named', async (t) => {
  const folder = await folderFor(t);
  await t.throwsAsync(openImages({ path: join(folder, 'gone'), size: 8 }), {
    message: /gone: there is no such folder or list file/,
  });
  const [file] = await writePictures(folder, 1);
  await t.throwsAsync(openImages({ path: file!, size: 8 }), {
    message: /000\.png: this is not a folder; name a/,
  });
});

test('what is held out follows from contents: names, copies and new files change nothing', async (t) => {
  const folder = await folderFor(t);
  const paths = await writePictures(folder, 40);
  const config = { path: folder, size: 8, heldOut: 0.3 };
  const hashes = (source: ImageSource) =>
    new Set(Array.from({ length: source.length }, (_, i) => source.hash(i)));
  const before = await openImages(config);
  t.true(before.heldOut.length > 3 && before.train.length > 3);
  const [held] = names(before.heldOut);
  await copyFile(join(folder, held!), join(folder, 'copy.png'));
  await rename(paths[0]!, join(folder, 'renamed.png'));
  await mkdir(join(folder, 'more'));
  await plain(30, 20, '#123456')
    .png()
    .toFile(join(folder, 'more', 'new.png'));
  const after = await openImages(config);
  t.not(after.report.fingerprint, before.report.fingerprint);
  t.is((await openImages(config)).report.fingerprint, after.report.fingerprint);
  t.true(names(after.heldOut).includes('copy.png'));
  t.is(after.report.duplicates, 1);
  for (const hash of hashes(before.heldOut)) t.true(hashes(after.heldOut).has(hash));
  for (const hash of hashes(before.train)) t.true(hashes(after.train).has(hash));
});

test('images of a held-out folder are not trained on', async (t) => {
  const [folder, other] = [await folderFor(t), await folderFor(t)];
  const [shared] = await writePictures(folder, 5);
  await copyFile(shared!, join(other, 'shared.png'));
  await gradientImage(20, 20).png().toFile(join(other, 'own.png'));
  const { train, heldOut } = await openImages({ path: folder, size: 8, heldOutPath: other });
  t.deepEqual(names(train), ['001.png', '002.png', '003.png', '004.png']);
  t.deepEqual(names(heldOut), ['own.png', 'shared.png']);
  t.deepEqual((await heldOut.read([0])).shape, [1, 3, 8, 8]);
  await t.throwsAsync(openImages({ path: folder, size: 8, heldOutPath: folder }), {
    message: /all its images are also in/,
  });
});

test('impossible options are refused', async (t) => {
  const path = await folderFor(t);
  await writePictures(path, 3);
  for (const [wrong, message] of [
    [{ path: '' }, /data\.path is missing/],
    [{ size: 0 }, /data\.size must be an integer of at least 1, got 0/],
    [{ size: 8.5 }, /data\.size/],
    [{ heldOut: 3 }, /cannot hold out 3 of 3/],
    [{ heldOut: -1 }, /data\.heldOut must be a share below 1/],
    [{ seed: 0.5 }, /data\.seed must be an integer/],
    [{ count: 1 }, /data\.count/],
  ] as const) {
    await t.throwsAsync(openImages({ path, size: 8, ...wrong }), { instanceOf: RangeError, message });
  }
});

test('small images are enlarged, and counted', async (t) => {
  const folder = await folderFor(t);
  await writePictures(folder, 2, 5);
  const { report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.is(report.enlarged, 2);
});

test('work can be interrupted, and tells how far it is', async (t) => {
  const folder = await folderFor(t);
  await writePictures(folder, 20);
  const told: [string, number, number][] = [];
  const controller = new AbortController();
  await t.throwsAsync(
    openImages(
      { path: folder, size: 8 },
      {
        signal: controller.signal,
        onProgress: (...progress) => {
          told.push(progress);
          if (progress[0] === 'decoding images' && progress[1] === 5) controller.abort(new Error('stopped'));
        },
      },
    ),
    { message: 'stopped' },
  );
  t.deepEqual(told[19], ['checking images', 20, 20]);
  t.true(told.length < 35);
});

for (const path of ['scenes', 'emoji'] as const) {
  test(`${path} are made on the spot, the same for the same seed, held-out ones for every seed`, async (t) => {
    const config = { path, size: 16, count: 30, heldOut: 6 };
    const { train, heldOut, report } = await openImages(config);
    t.like(report, { kind: path, train: 24, heldOut: 6, decoded: true, duplicates: 0 });
    t.is(train.classes.length, path === 'scenes' ? 16 : 6);
    t.true(train.label(0)! < train.classes.length);
    const again = await openImages({ ...config, count: 26 });
    t.deepEqual(await again.train.readBytes([0, 7]), await train.readBytes([0, 7]));
    const other = await openImages({ ...config, seed: 7 });
    t.notDeepEqual(await other.train.readBytes([0, 7]), await train.readBytes([0, 7]));
    const concept = (name: string) => name.split(', ')[1];
    if (path === 'emoji') {
      const held = new Set([...names(heldOut), ...names(other.heldOut)].map(concept));
      for (const name of [...names(train), ...names(other.train)]) t.false(held.has(concept(name)));
    } else {
      t.deepEqual(await other.heldOut.readBytes([0, 5]), await heldOut.readBytes([0, 5]));
    }
  });
}

test('scenes kept for measuring are not trained on', async (t) => {
  await t.throwsAsync(openImages({ path: 'scenes', size: 16, count: 4, seed: 2 }), {
    message: /seed 2 of the scenes is reserved for held-out images/,
  });
  await t.throwsAsync(openImages({ path: 'scenes', size: 16, count: 4, heldOut: 4 }), {
    message: /hold out 4 of 4/,
  });
});

test('an image is read whole: a wide one shows its left part, its middle or its right part', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'wide.png');
  await gradientImage(64, 16).png().toFile(path);
  t.true((await readFile(path)).length > 0);
  const { train } = await openImages({ path: folder, size: 8, heldOut: 0 });
  const views = [0, 0.5, 1].map((x) => ({ x, y: 0, flip: false }));
  const red = (await train.read([0, 0, 0], { views })).at('...', 0, 0, 0).tolist() as number[];
  t.true(red[0]! < -0.95);
  t.true(Math.abs(red[1]! + 0.25) < 0.08, `${red[1]}`);
  t.true(red[2]! > 0.45 && red[2]! < 0.6, `${red[2]}`);
});

test('JPEGs go by all of their extensions, and files that are passed over are reported by kind', async (t) => {
  const folder = await folderFor(t);
  const jpegs = ['a.jpg', 'b.JPEG', 'c.jfif', 'd.jpe', 'e.JFIF', 'f.jif', 'g.pjpeg'];
  for (const [i, name] of jpegs.entries()) {
    await writeFile(
      join(folder, name),
      await plain(9, 9, { r: 9 * i, g: 0, b: 0 })
        .jpeg()
        .toBuffer(),
    );
  }
  for (const name of ['x.bmp', 'y.BMP', 'z.heic', 'notes.txt', 'Makefile'])
    await writeFile(join(folder, name), '');
  const config = { path: folder, size: 8, heldOut: 0 };
  const { train, report } = await openImages(config);
  t.deepEqual(names(train), jpegs);
  t.is(report.ignored, 5);
  t.deepEqual(report.ignoredKinds, { '.bmp': 2, '.heic': 1, '.txt': 1, '': 1 });
  t.regex(
    describeImages(await inspectImages(config)),
    /ignored because of their extension: 5 \(2 \.bmp, 1 without extension, 1 \.heic, 1 \.txt; convert images .* to PNG or JPEG\)/,
  );
});

test('two classes that are links to one folder are both there, in any order of the directory', async (t) => {
  const folder = await folderFor(t);
  const elsewhere = await folderFor(t);
  await writePictures(elsewhere, 2);
  await symlink(elsewhere, join(elsewhere, 'round'));
  for (const name of ['b', 'a']) await symlink(elsewhere, join(folder, name));
  await symlink(folder, join(folder, 'self'));
  const { train, report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.deepEqual(report.classes, ['a', 'b']);
  t.deepEqual(
    [0, 1, 2, 3].map((i) => train.label(i)),
    [0, 0, 1, 1],
  );
  t.is(report.duplicates, 2);
});
