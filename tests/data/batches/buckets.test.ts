import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { BucketOrder, nearestBucket, sidesOfBuckets } from '../../../src/data/batches/buckets.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { Loader } from '../../../src/data/batches/loader.js';
import { MemoryStore, type MemoryItem } from '../../../src/data/built-in/memory-store.js';
import { gradient } from '../pictures/pictures.js';

const buckets = sidesOfBuckets(['8x8', '12x8', '8x12', '16x16']);

test('an image goes to the nearest proportions, then to the largest bucket that is not larger', (t) => {
  for (const [width, height, bucket] of [
    [100, 70, 1],
    [70, 100, 2],
    [300, 20, 1],
    [10, 11, 0],
    [15, 15, 0],
    [16, 16, 3],
    [20, 17, 3],
    [4, 4, 0],
  ] as const) {
    t.is(nearestBucket({ width, height }, buckets), bucket, `${width} × ${height}`);
  }
});

testProp(
  'an epoch has every image, batches of one bucket each, and an order of its seed and number alone',
  [fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 5 })],
  (t, given, batchSize) => {
    const bucketOf = Uint16Array.from(given);
    const order = new BucketOrder(bucketOf, 4, batchSize, 9);
    const epoch = (number: number, from = order) =>
      Array.from({ length: order.length }, (_, i) => from.at(number, i));
    const first = epoch(0);
    for (const { bucket, indices } of first) {
      t.is(indices.length, batchSize);
      t.true(indices.every((i) => bucketOf[i] === bucket));
    }
    const times = given.map((_, i) => first.flatMap(({ indices }) => indices).filter((k) => k === i).length);
    for (const [i, bucket] of given.entries()) {
      const count = given.filter((other) => other === bucket).length;
      const repeated = Math.ceil(count / batchSize) * batchSize;
      t.true(times[i] === Math.floor(repeated / count) || times[i] === Math.ceil(repeated / count));
    }
    epoch(3);
    t.deepEqual(epoch(0), first, 'after another epoch');
    t.deepEqual(epoch(0, new BucketOrder(bucketOf, 4, batchSize, 9)), first);
  },
  { numRuns: 40 },
);

test('the batches of another epoch or seed are others', (t) => {
  const bucketOf = Uint16Array.from({ length: 60 }, (_, i) => i % 3);
  const epoch = (number: number, seed: number) => {
    const order = new BucketOrder(bucketOf, 3, 4, seed);
    return Array.from({ length: order.length }, (_, i) => order.at(number, i));
  };
  t.notDeepEqual(epoch(1, 1), epoch(0, 1));
  t.notDeepEqual(epoch(0, 2), epoch(0, 1));
  const kinds = epoch(0, 1).map(({ bucket }) => bucket);
  t.notDeepEqual(
    kinds,
    kinds.toSorted((a, b) => a - b),
    'buckets alternate',
  );
});

/** Pictures of three proportions, whose red and green tell the place and whose blue the picture. */
function photos(): ImageSource {
  const items = [
    [48, 32],
    [32, 48],
    [32, 32],
    [60, 40],
    [33, 32],
    [16, 24],
    [24, 16],
  ].map(([width = 0, height = 0], i): MemoryItem => {
    const pixels = gradient(width, height, 20 * i);
    const map = Uint8Array.from({ length: width * height }, (_, k) => pixels[k * 3 + 1]!); // Green grows downwards.
    return { name: `${i}`, hash: `${i}`, width, height, pixels, maps: { map } };
  });
  return new ImageSource(new MemoryStore(items, [], { map: {} }), 8);
}

async function draw(loader: Loader, count: number) {
  const batches = [];
  for (let i = 0; i < count; i++) {
    const { images, indices, fields } = await loader.next();
    batches.push({
      shape: images.shape,
      indices,
      map: { ...fields },
      pixels: images.toTypedArray() as Float32Array,
    });
  }
  return batches;
}

test('batches have the sides of their bucket and show whole images of its proportions, maps too', async (t) => {
  const options = {
    batchSize: 2,
    seed: 3,
    crop: 'center',
    flip: false,
    buckets,
    fields: ['map', 'lr'],
  } as const;
  const seen = await draw(new Loader(photos(), options), 4);
  const expected: Record<number, number[]> = {
    0: [8, 12],
    1: [12, 8],
    2: [16, 16],
    3: [8, 12],
    4: [16, 16],
    5: [12, 8],
    6: [8, 12],
  };
  t.is(new Set(seen.flatMap(({ indices }) => indices)).size, 7);
  for (const { shape, indices, map, pixels } of seen) {
    const [height = 0, width = 0] = expected[indices[0]!]!;
    t.deepEqual(shape, [2, 3, height, width]);
    t.deepEqual(
      [map['map']!.shape, map['lr']!.shape],
      [
        [2, 1, height, width],
        [2, 3, height, width],
      ],
    );
    const area = height * width;
    for (const [k, index] of indices.entries()) {
      const at = (channel: number, pixel: number) => (pixels[(k * 3 + channel) * area + pixel]! + 1) * 127.5;
      t.true(Math.abs(at(2, 0) - 20 * index) < 1, 'the picture itself');
      // From the first to the last pixel of a row: the whole width, less half a pixel on both sides.
      t.true(Math.abs(at(0, width - 1) - at(0, 0) - 255 * (1 - 1 / width)) < 12);
      const green = map['map']!.toTypedArray() as Float32Array;
      t.true(Math.abs((green[k * area + area - 1]! + 1) * 127.5 - at(1, area - 1)) < 12);
    }
  }
});

test('a loader of buckets resumes exactly, within an epoch and after its end', async (t) => {
  const options = { batchSize: 2, seed: 3, buckets } as const;
  const whole = new Loader(photos(), options);
  for (let before = 0; before < 6; before++) {
    const position = whole.state();
    t.is(position.epoch * 8 + position.position, before * 2);
    const [resumed] = await draw(new Loader(photos(), { ...options, position }), 1);
    t.deepEqual(resumed, (await draw(whole, 1))[0]);
  }
});

test('buckets are refused with crops of random size, and positions that they do not have', (t) => {
  t.throws(() => new Loader(photos(), { batchSize: 2, buckets, crop: 'resized' }), {
    message: /leave out the buckets/,
  });
  t.throws(() => new Loader(photos(), { batchSize: 2, buckets, position: { epoch: 0, position: 8 } }), {
    message: /cannot continue at image 8 of 8/,
  });
});
