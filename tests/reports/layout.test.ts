import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import {
  ObjectsBoundingBoxConditionalBuilder,
  ObjectsCenterPointsConditionalBuilder,
} from '../../src/models/conditions/layout/builder.js';
import { layoutSvg, saveLayout } from '../../src/reports/layout.js';

const settings = {
  noObjectClasses: 3,
  noMaxObjects: 4,
  noTokens: 10201, // 101 × 101 points
  encodeCrop: true,
  useGroupParameter: true,
  shuffle: false,
};
const objects = [
  { categoryNo: 2, bbox: [0.1, 0.2, 0.3, 0.4] as const, isGroupOf: true },
  { categoryNo: 0, bbox: [0.5, 0.5, 0.5, 0.5] as const },
];

/** Returns the colours at points, as hexadecimal numbers. */
async function colorsOf(
  path: string,
  points: readonly (readonly [x: number, y: number])[],
): Promise<string[]> {
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return points.map(([x, y]) =>
    data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3).toString('hex'),
  );
}

test('boxes are framed where they are, and the crop in grey', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'layout-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'layout.png');
  const builder = new ObjectsBoundingBoxConditionalBuilder(settings);
  await saveLayout(path, builder, builder.build(objects, [0, 0, 0.7, 1]), { width: 200, height: 100 });
  const points = [
    [21, 40], // left edge of the first
    [78, 40], // right edge
    [50, 59], // lower edge
    [101, 70], // left edge of the second
    [138, 40], // right edge of the crop
    [90, 40], // between them
    [50, 50], // inside of the first
  ] as const;
  t.deepEqual(await colorsOf(path, points), [
    '1e76b3',
    '1e76b3',
    '1e76b3',
    'ff7e0d',
    '3f3f3f',
    'ffffff',
    'ffffff',
  ]);
});

test('centres are points, and names are drawn with properties', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'layout-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'layout.png');
  const builder = new ObjectsCenterPointsConditionalBuilder({ ...settings, encodeCrop: false });
  const tokens = builder.build(objects);
  await saveLayout(path, builder, tokens);
  t.deepEqual(
    await colorsOf(path, [
      [64, 102],
      [192, 192],
      [128, 128],
    ]),
    ['1e76b3', 'ff7e0d', 'ffffff'],
  );
  const strokes = (names: readonly string[]) =>
    layoutSvg(builder, tokens, { names }).split('<path').length - 1;
  t.is(strokes(['a', 'b', 'cow']), 'a'.length + 'cow(g)'.length);
  t.is(strokes([]), 'class0'.length + 'class2(g)'.length);
});
