import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openImages } from '../../../src/data/open-images.js';
import { saveNpy } from '../../../src/torch/io/npy.js';
import * as torch from '../../../src/torch/index.js';
import type { DType } from '../../../src/torch/index.js';
import { folderFor, plain } from './pictures.js';

/** Red, green and blue of the first pixel of an array of 2 × 2 pixels. */
const cases: [string, () => torch.Tensor, number[]][] = [
  ['bytes with one channel', () => of([7, 7, 7, 7], [2, 2], 'uint8'), [7, 7, 7]],
  [
    'bytes with three channels last',
    () => of([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], [2, 2, 3], 'uint8'),
    [1, 2, 3],
  ],
  [
    'bytes with channels first',
    () => of([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], [3, 2, 2], 'uint8'),
    [1, 2, 3],
  ],
  ['16 bits', () => of([25700, 0, 0, 0], [2, 2, 1], 'uint16'), [100, 100, 100]],
  ['floats up to 1', () => of([0.2, 0, 0, 1], [2, 2], 'float32'), [51, 51, 51]],
  ['half floats up to 255', () => of([64, 0, 128, 255], [1, 2, 2], 'float16'), [64, 64, 64]],
  ['booleans', () => of([1, 0, 1, 0], [2, 2], 'bool'), [255, 255, 255]],
];
function of(values: number[], shape: number[], dtype: DType): torch.Tensor {
  return torch.scope(() => torch.tensor(values).to(dtype).view(shape));
}

for (const [what, array, pixel] of cases) {
  test(`an array of ${what} is an image`, async (t) => {
    const folder = await folderFor(t);
    await saveNpy(join(folder, 'a.npy'), array());
    const { train, report, close } = await openImages({ path: folder, size: 2, heldOut: 0 });
    t.like(report, { train: 1, ignored: 0 });
    t.deepEqual([...(await train.readBytes([0])).subarray(0, 3)], pixel);
    await close();
  });
}

test('arrays next to images are not images, but a list may name them', async (t) => {
  const folder = await folderFor(t);
  await saveNpy(join(folder, 'a.npy'), of([9, 9, 9, 9], [2, 2], 'uint8'));
  await plain(2, 2, 'white').png().toFile(join(folder, 'b.png'));
  const beside = await openImages({ path: folder, size: 2, heldOut: 0 });
  t.like(beside.report, { train: 1, ignoredKinds: { '.npy': 1 } });
  await writeFile(join(folder, 'list.txt'), 'b.png\na.npy\n');
  const { train } = await openImages({ path: join(folder, 'list.txt'), size: 2, heldOut: 0 });
  t.deepEqual(
    [...(await train.readBytes([0, 1]))].filter((_, i) => i % 12 === 0),
    [255, 9],
  );
});

for (const [array, message] of [
  [() => of([1, 2, 3, 4], [4], 'uint8'), /its array is \[4\], expected \[height, width\]/],
  [() => of([1, 2, 3, 4], [2, 2], 'int64'), /its array is of int64; expected uint8, uint16/],
  [() => of([1, -2, 3, 4], [2, 2], 'float32'), /its array has floats from -2 to 4; expected 0 to 1/],
] as const) {
  test(`an array is refused: ${String(message)}`, async (t) => {
    const folder = await folderFor(t);
    await saveNpy(join(folder, 'a.npy'), array());
    await t.throwsAsync(openImages({ path: folder, size: 2, heldOut: 0 }), { message });
  });
}
