import test from 'ava';
import { ImageSource } from '../../../src/data/image-source.js';
import { LOW_RESOLUTION, lowResolution } from '../../../src/data/fields/low-resolution.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import * as torch from '../../../src/torch/index.js';
import { gradient } from '../pictures/pictures.js';

/** Bytes of a tensor of images in [-1, 1]. */
const bytes = (images: torch.Tensor) => images.add(1).mul(127.5).round().flatten().tolist() as number[];

for (const enlarge of ['nearest', 'bicubic'] as const) {
  test(`an image of one colour stays as it is (${enlarge})`, (t) => {
    const image = torch.full([2, 3, 8, 8], 57 / 127.5 - 1);
    t.deepEqual(bytes(lowResolution(image, { factor: 4, enlarge })), bytes(image));
  });
}

test('each block of nearest pixels is one pixel of the small image, a byte', (t) => {
  const image = torch.rand([1, 1, 12, 12]).mul(2).sub(1);
  const low = lowResolution(image, { factor: 3, enlarge: 'nearest' });
  t.deepEqual(low.shape, image.shape);
  const small = low.slice(2, 0, 12, 3).slice(3, 0, 12, 3);
  t.deepEqual(low.tolist(), small.repeatInterleave(3, 2).repeatInterleave(3, 3).tolist());
  for (const value of small.add(1).mul(127.5).flatten().tolist() as number[]) {
    t.true(Math.abs(value - Math.round(value)) < 1e-4);
  }
  t.true(new Set(bytes(small)).size > 8);
});

test('a factor of 1 leaves bytes as they are; without one it is 4', (t) => {
  const image = torch.arange(64).view([1, 1, 8, 8]).mul(3).div(127.5).sub(1);
  t.deepEqual(bytes(lowResolution(image, { factor: 1, enlarge: 'nearest' })), bytes(image));
  t.is(new Set(bytes(lowResolution(image))).size, 4);
});

test('the field of a source is that of its crops, mirrored with them, in its channels', async (t) => {
  const item = { name: 'a', hash: 'a', width: 12, height: 8, pixels: gradient(12, 8) };
  const store = new MemoryStore([item]);
  const views = [{ x: 0.5, y: 0, flip: true }];
  for (const channels of [3, 1] as const) {
    const how = { factor: 2, enlarge: 'nearest' } as const;
    const source = new ImageSource(store, 8, [0], 3, how).withChannels(channels);
    const { image, fields } = await source.readExamples([0], [LOW_RESOLUTION], { views });
    t.is(source.channelsOfMap(LOW_RESOLUTION), channels);
    t.deepEqual(fields[LOW_RESOLUTION]!.tolist(), lowResolution(image, how).tolist());
  }
});

test('a factor that does not divide the size is refused before images are read', (t) => {
  const store = new MemoryStore([{ name: 'a', hash: 'a', width: 10, height: 10, pixels: gradient(10, 10) }]);
  const source = new ImageSource(store, 10);
  const message =
    'images of 10 pixels cannot be made 4 times smaller for the field "lr": set data.lrFactor to a divisor of 10, or ' +
    'data.size to a multiple of 4, such as 12';
  t.throws(() => source.checkFields([LOW_RESOLUTION]), { instanceOf: RangeError, message });
  t.throws(() => lowResolution(torch.zeros([1, 3, 10, 10])), { instanceOf: RangeError, message });
  t.notThrows(() => source.checkFields(['edges', 'coord']));
});
