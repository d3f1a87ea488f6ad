import test from 'ava';
import { ImageDataError } from '../../src/data/image-error.js';
import { inBatches } from '../../src/tokenizer/in-batches.js';

const picture = (width: number) => ({
  pixels: new Uint8Array(0),
  height: 2,
  width,
  size: [2, width] as [number, number],
});

async function batches(widths: readonly (number | Error)[], batch: number, slow: number[] = []) {
  const result: (number[] | string)[] = [];
  const read = async (index: number) => {
    for (let turns = slow[index] ?? 0; turns > 0; turns--) await new Promise(setImmediate);
    const width = widths[index]!;
    if (width instanceof Error) throw width;
    return picture(width);
  };
  for await (const { indices, pictures, error } of inBatches(widths.length, read, batch)) {
    result.push(error ? error.reason : indices);
    if (!error && new Set(pictures.map(({ width }) => width)).size !== 1) throw new Error('mixed sizes');
  }
  return result;
}

test('images of equal size are collected into batches, whatever lies between them', async (t) => {
  t.deepEqual(await batches([1, 2, 1, 1, 2, 3], 2), [[0, 2], [1, 4], [3], [5]]);
  t.deepEqual(await batches([1, 1, 1], 16), [[0, 1, 2]]);
  t.deepEqual(await batches([], 4), []);
});

test('batches do not depend on how long reading takes', async (t) => {
  const widths = [1, 2, 1, 2, 2, 1, 1, 2];
  const expected = await batches(widths, 3);
  t.deepEqual(await batches(widths, 3, [9, 0, 5, 0, 0, 7, 0, 0]), expected);
});

test('an image that cannot be used is reported in its place; other errors end the work', async (t) => {
  const broken = new ImageDataError('a.png', 'it is broken');
  t.deepEqual(await batches([1, broken, 1, 1], 2), ['it is broken', [0, 2], [3]]);
  await t.throwsAsync(batches([1, new TypeError('no'), 1], 2), { instanceOf: TypeError, message: 'no' });
});
