import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { folderFor, writePictures } from '../data/pictures/pictures.js';
import { tessera, tesseraHere } from './tessera.js';

const data = (...args: string[]) => tesseraHere(['data', ...args]);

test('a folder is inspected, packed, inspected again and previewed', async (t) => {
  const root = await folderFor(t);
  const files = join(root, 'photos');
  await mkdir(files);
  await writePictures(files, 20, 70);
  await writeFile(join(files, 'bad.jpg'), 'not an image');

  const found = await tessera(['data', 'inspect', files, '--size', '32']);
  t.is(found.code, 0, found.stderr);
  t.regex(found.stdout, /photos \(folder\): 20 images at 32 × 32: \d+ to train on, \d+ held out/);
  t.regex(found.stdout, /left out because they cannot be used: 1\n {2}.*bad\.jpg: this is not a JPEG/);

  const packed = join(root, 'packed');
  const packing = await data('pack', files, packed, '--size', '32');
  t.is(packing.code, 0, packing.stderr);
  t.regex(packing.stderr, /left out .*bad\.jpg/);
  t.regex(
    packing.stdout,
    /^20 images packed into .*packed \(62 kB\); train on them with: npx tessera-torch train vqgan --data /,
  );

  const json = await data('inspect', packed, '--json', '--held-out', '5');
  t.like(JSON.parse(json.stdout), { kind: 'packed', size: 32, train: 15, heldOut: 5 });

  const png = join(root, 'grid.png');
  const preview = await data('preview', packed, png, '--images', '9', '--scale', '2');
  t.is(preview.code, 0, preview.stderr);
  t.like(await sharp(png).metadata(), { width: 3 * 64 + 2 * 2, height: 3 * 64 + 2 * 2 });

  const formerly = await data('preview', packed, png, '--pictures', '4');
  t.is(formerly.code, 0, formerly.stderr);
  t.like(await sharp(png).metadata(), { width: 2 * 32 + 2, height: 2 * 32 + 2 });
});

test('built-in images are written as files', async (t) => {
  const root = await folderFor(t);
  const scenes = await data('scenes', join(root, 'scenes'), '--count', '2', '--size', '16');
  t.is(scenes.code, 0, scenes.stderr);
  t.deepEqual(await readdir(join(root, 'scenes')), ['00000.png', '00001.png', 'scenes.json']);
  const emoji = await data('emoji', join(root, 'emoji'), '--count', '3', '--size', '16');
  t.is(emoji.code, 0, emoji.stderr);
  const files = await readdir(join(root, 'emoji'), { recursive: true });
  t.is(files.filter((name) => name.endsWith('.png')).length, 3);
});

test('bad input is one line with the way out, and nothing is left half-written', async (t) => {
  const root = await folderFor(t);
  const empty = join(root, 'empty');
  await mkdir(empty);
  const broken = join(root, 'broken');
  await mkdir(broken);
  await writePictures(broken, 3);
  await writeFile(join(broken, 'bad.png'), '');
  const cases: [string[], number, RegExp][] = [
    [['inspect', empty], 1, /empty: there are no images here or in its sub-folders.*scenes, emoji$/m],
    [['inspect', broken, '--on-error', 'stop'], 1, /bad\.png: the file is empty\. Repair or remove it/],
    [['pack', broken, '/proc/packed'], 1, /\/proc: cannot be written to/],
    [
      ['inspect', broken, '--size', 'big'],
      2,
      /--size.*integer of at least 1[^]*npx tessera-torch data inspect --help/,
    ],
    [['emoji', broken], 1, /broken: the folder is not empty; name a new one$/m],
    [['inspekt', broken], 2, /unknown command 'inspekt'[^]*inspect/],
  ];
  for (const [args, code, message] of cases) {
    const result = await data(...args);
    t.is(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    t.regex(result.stderr, message);
    if (code === 1) t.is(result.stderr.split('\n').filter((line) => line.startsWith('error:')).length, 1);
  }
  t.deepEqual(await readdir(root), ['broken', 'empty']);
  t.is((await readFile(join(broken, 'bad.png'))).length, 0);
});
