import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { coordinateMap } from '../../../src/data/fields/coordinates.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { Loader } from '../../../src/data/batches/loader.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import type { Tensor } from '../../../src/torch/index.js';
import { gradient } from '../pictures/pictures.js';

const size = 4;

function pictures(width: number, height: number, count = 3): ImageSource {
  const items = Array.from({ length: count }, (_, i) => ({
    name: `${i}`,
    hash: `${i}`,
    width,
    height,
    pixels: gradient(width, height, i),
  }));
  return new ImageSource(new MemoryStore(items), size);
}

const numbers = (tensor: Tensor) => [...(tensor.toTypedArray() as Float32Array)];

test('positions of a whole image are its pixels’ numbers by their count', (t) => {
  const map = coordinateMap(2, 3);
  t.deepEqual(map.shape, [1, 1, 2, 3]);
  t.deepEqual(numbers(map), [...Float32Array.from([0, 1, 2, 3, 4, 5], (n) => n / 6)]);
});

testProp(
  'a crop has the positions of its part of the image, mirrored or not',
  [
    fc.integer({ min: 4, max: 11 }),
    fc.integer({ min: 4, max: 9 }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.boolean(),
  ],
  async (t, width, height, x, y, flip) => {
    const views = [{ x, y, flip }];
    const { fields } = await pictures(width, height).readExamples([0], ['coord'], { views });
    t.deepEqual(fields['coord']!.shape, [1, 1, size, size]);
    const left = Math.floor(x * (width - size + 1));
    const top = Math.floor(y * (height - size + 1));
    const from = flip ? width - size - left : left;
    const part = coordinateMap(height, width).narrow(2, top, size).narrow(3, from, size).contiguous();
    t.deepEqual(numbers(fields['coord']!), numbers(part));
  },
  { numRuns: 30 },
);

test('a loader gives positions with other fields only if they are asked for', async (t) => {
  const loader = new Loader(pictures(12, 4), { batchSize: 2, seed: 1, fields: ['coord'], flip: false });
  const { fields } = await loader.next();
  t.deepEqual(fields['coord']!.shape, [2, 1, size, size]);
  const [a, b] = [0, 1].map((row) => fields['coord']!.select(0, row).flatten().narrow(0, 0, 1).item());
  t.not(a, b, 'crops of a wide image lie at different places');
  loader.close();
  t.deepEqual((await pictures(12, 4).readExamples([0], [])).fields, {});
});
