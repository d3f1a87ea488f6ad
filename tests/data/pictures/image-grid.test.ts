import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import sharp from 'sharp';
import { imageGrid, saveImageGrid } from '../../../src/data/pictures/image-grid.js';
import * as torch from '../../../src/torch/index.js';

test('images stand in rows with white between, clamped', (t) => {
  const images = torch.tensor([-1, 0, 1, 5]).view([4, 1, 1, 1]).expand([4, 3, 1, 1]);
  const { width, height, pixels } = imageGrid(images, { columns: 3, gap: 1 });
  t.deepEqual([width, height], [5, 3]);
  const red = Array.from({ length: width * height }, (_, i) => pixels[3 * i]);
  t.deepEqual(red, [0, 255, 128, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]);
});

test('channels and rows keep their order, and one channel is grey', (t) => {
  const x = torch.tensor([[[[-1, 1]], [[1, -1]], [[0, 0]]]]);
  t.deepEqual([...imageGrid(x).pixels], [0, 255, 128, 255, 0, 128]);
  t.deepEqual([...imageGrid(torch.tensor([[[[-1], [1]]]])).pixels], [0, 0, 0, 255, 255, 255]);
  t.deepEqual([...imageGrid(torch.tensor([[[[1]]]]), { scale: 2 }).pixels], Array(12).fill(255));
});

test('a tensor that is not a batch of images is refused', (t) => {
  for (const shape of [
    [3, 4, 4],
    [1, 2, 4, 4],
    [0, 3, 4, 4],
  ]) {
    t.throws(() => imageGrid(torch.zeros(shape)), {
      instanceOf: torch.ShapeError,
      message: /\[N, 3, H, W\]/,
    });
  }
  t.throws(() => imageGrid(torch.zeros([1, 3, 2, 2]), { columns: 0 }), { message: /columns/ });
});

testProp(
  'any batch fits its grid',
  [
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 6 }),
    fc.nat({ max: 3 }),
  ],
  (t, count, columns, side, gap) => {
    const grid = imageGrid(torch.zeros([count, 3, side, side]), { columns, gap });
    t.is(grid.width, columns * (side + gap) - gap);
    t.is(grid.height, Math.ceil(count / columns) * (side + gap) - gap);
    t.is(grid.pixels.length, grid.width * grid.height * 3);
    t.is(grid.pixels.filter((v) => v === 128).length, count * side * side * 3);
  },
  { numRuns: 40 },
);

test('a saved grid is a PNG with those pixels, and a failure leaves nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-grid-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const images = torch.rand([5, 3, 8, 8]).mul(torch.tensor(2)).sub(torch.tensor(1));
  await saveImageGrid(join(folder, 'grid.png'), images, { columns: 5 });
  const { data } = await sharp(join(folder, 'grid.png')).raw().toBuffer({ resolveWithObject: true });
  t.deepEqual(new Uint8Array(data), imageGrid(images, { columns: 5 }).pixels);
  await t.throwsAsync(saveImageGrid(join(folder, 'no', 'grid.png'), images));
  t.deepEqual(await readdir(folder), ['grid.png']);
});
