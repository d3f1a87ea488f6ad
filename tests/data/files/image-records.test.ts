import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { ImageDataError } from '../../../src/data/image-error.js';
import { openImages } from '../../../src/data/open-images.js';
import { packImages } from '../../../src/data/packed/pack-images.js';
import { saveNpy } from '../../../src/torch/io/npy.js';
import * as torch from '../../../src/torch/index.js';
import { folderFor, plain } from '../pictures/pictures.js';

const json = (...records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('');
const grey = (values: number[], width: number) =>
  sharp(Uint8Array.from(values), { raw: { width, height: values.length / width, channels: 1 } }).png();

/** Three pictures of one grey each, with maps, and a list of them. */
async function listed(t: ExecutionContext, name: string, text: string): Promise<string> {
  const folder = await folderFor(t);
  for (const value of [10, 20, 30]) {
    await plain(4, 4, { r: value, g: value, b: value })
      .png()
      .toFile(join(folder, `${value}.png`));
  }
  await mkdir(join(folder, 'maps'));
  await grey([0, 1, 1, 0], 2).toFile(join(folder, 'maps', 'seg.png'));
  await grey([2, 2, 1, 1], 2).toFile(join(folder, 'maps', 'other.png'));
  await saveNpy(
    join(folder, 'maps', 'depth.npy'),
    torch.tensor([
      [0, 0.2],
      [0.6, 1],
    ]),
  );
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

const first = { classes: ['dog', 'cat'], segmentation: ['sky', 'tree', 'ground'] };
const records = [
  { file: '20.png', label: 'cat', segmentation: 'maps/seg.png', depth: 'maps/depth.npy', caption: 'a' },
  { file: '10.png', label: 'dog', segmentation: 'maps/other.png', depth: 'maps/depth.npy', caption: 'b' },
];

test('a list of records gives images, classes and maps in its order, packed ones too', async (t) => {
  const path = await listed(t, 'list.jsonl', json(first, ...records));
  await packImages({ path, size: 4 }, `${path}-packed`, { maps: true });
  for (const source of [path, `${path}-packed`]) {
    const { train, report, close } = await openImages({ path: source, size: 4, heldOut: 0 }, { maps: true });
    t.is(report.skipped.length, 0);
    t.deepEqual(train.fields, ['label', 'segmentation', 'depth']);
    t.deepEqual(train.classes, ['dog', 'cat']);
    const { image, maps, label } = await train.readSquares([0, 1], ['label', 'segmentation', 'depth']);
    t.deepEqual([image[0], image[48], label], [20, 10, [1, 0]]);
    const enlarged = ([a, b, c, d]: number[]) => [a, a, b, b, a, a, b, b, c, c, d, d, c, c, d, d] as number[];
    t.deepEqual([...maps['segmentation']!], [...enlarged([0, 1, 1, 0]), ...enlarged([2, 2, 1, 1])]);
    t.deepEqual([...maps['depth']!.subarray(0, 16)], enlarged([0, 51, 153, 255]));
    t.is(train.channelsOfMap('segmentation'), 3);
    t.is(train.channelsOfMap('depth'), 1);
    await close();
  }
});

test('maps of a list are read only if they are wanted', async (t) => {
  const path = await listed(t, 'list.jsonl', json(first, { ...records[0], depth: 'maps/none.png' }));
  const { train, report, close } = await openImages({ path, size: 4, heldOut: 0 });
  t.deepEqual([train.fields, report.skipped.length], [['label'], 0]);
  await close();
  await t.throwsAsync(openImages({ path, size: 4, heldOut: 0 }, { maps: true }), {
    message: /20\.png: its map .*none\.png: there is no such file/,
  });
});

for (const [name, text] of [
  ['list.csv', 'label,file\n7,20.png\n"2","10.png"\n'],
  ['list.tsv', 'file\tlabel\r\n20.png\t7\r\n10.png\t2\r\n'],
] as const) {
  test(`a ${name.slice(-3)} table names files and labels, numbers being the classes`, async (t) => {
    const { train, close } = await openImages({ path: await listed(t, name, text), size: 4, heldOut: 0 });
    t.deepEqual((await train.readBytes([0, 1]))[48], 10);
    t.deepEqual([train.label(0), train.label(1), train.classes.length], [7, 2, 8]);
    await close();
  });
}

test('a value in quotes may hold the separator and quotes', async (t) => {
  const path = await listed(t, 'a.csv', 'file,label\n20.png,"red, ""dark"""\n10.png,blue\n');
  const { train, close } = await openImages({ path, size: 4, heldOut: 0 });
  t.deepEqual(train.classes, ['blue', 'red, "dark"']);
  await close();
});

const wrong: [string, string, RegExp][] = [
  ['l.jsonl', '{"file":"10.png"}\n\n{"file"\n', /l\.jsonl:3: is not JSON/],
  ['l.jsonl', '{"file":"10.png"}\n[1]\n', /l\.jsonl:2: is not an object/],
  [
    'l.jsonl',
    json({ file: '10.png', label: 'a' }, { file: '20.png' }),
    /l\.jsonl:2: has no label, but others/,
  ],
  ['l.jsonl', json({ file: '10.png', label: [1] }), /l\.jsonl:1: has a label that is \[1\]/],
  [
    'l.jsonl',
    json({ classes: ['a'] }, { file: '10.png', label: 'b' }),
    /l\.jsonl:2: has the label "b", expected one of: a/,
  ],
  [
    'l.jsonl',
    json({ classes: 3 }, { file: '10.png' }),
    /l\.jsonl:1: its "classes" must be a list of names, got 3/,
  ],
  ['l.jsonl', json({ file: '10.png' }, { label: 'a' }), /l\.jsonl:2: has no "file", which names a file/],
  [
    'l.jsonl',
    json({ file: '10.png', depth: 'maps/seg.png' }, { file: '20.png' }),
    /l\.jsonl:2: has no "depth"/,
  ],
  [
    'l.jsonl',
    json({ file: '10.png', segmentation: 'maps/seg.png' }),
    /l\.jsonl: names maps "segmentation", but not their labels/,
  ],
  [
    'l.jsonl',
    json({ segmentation: ['a'] }, { file: '10.png', segmentation: 'maps/seg.png' }),
    /seg\.png: has the label 1, but 1 labels are named/,
  ],
  [
    'l.jsonl',
    json({ file: '10.png', depth: 'maps/none.npy' }),
    /10\.png: its map .*none\.npy: there is no such file/,
  ],
  ['l.jsonl', '\n', /this list is empty/],
  ['l.csv', 'name,label\na,b\n', /l\.csv:1: names no column "file"/],
  ['l.csv', 'file,label\n10.png\n', /l\.csv:2: has 1 values for 2 columns/],
];
for (const [name, text, message] of wrong) {
  test(`${name} is refused where it is wrong: ${String(message)}`, async (t) => {
    const path = await listed(t, name, text);
    await t.throwsAsync(openImages({ path, size: 4, heldOut: 0 }, { maps: true }), {
      instanceOf: ImageDataError,
      message,
    });
  });
}

test('a map with other proportions than its image is refused', async (t) => {
  const path = await listed(t, 'l.jsonl', json({ file: '10.png', depth: 'maps/wide.png' }));
  await grey([0, 1, 1, 0, 1, 1, 0, 0], 4).toFile(join(path, '..', 'maps', 'wide.png'));
  await t.throwsAsync(openImages({ path, size: 4, heldOut: 0 }, { maps: true }), {
    message: /wide\.png: has 4 × 2 pixels, other proportions than its image of 4 × 4/,
  });
});
