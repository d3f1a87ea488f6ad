import { setTimeout } from 'node:timers/promises';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { ImageDataError } from '../../../src/data/image-error.js';
import type { PictureStore } from '../../../src/data/image-source.js';
import { ImageSource } from '../../../src/data/image-source.js';
import type { Batch, LoaderOptions } from '../../../src/data/batches/loader.js';
import { inOrder, Loader } from '../../../src/data/batches/loader.js';
import type { MemoryItem } from '../../../src/data/built-in/memory-store.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { gradient } from '../pictures/pictures.js';

const size = 4;

/** Wide pictures whose blue tells which one it is; red and green tell what part of it is seen. */
function wide(count: number): ImageSource {
  const items: MemoryItem[] = Array.from({ length: count }, (_, i) => {
    const pixels = gradient(16, size, i);
    return { name: `picture ${i}`, hash: `${i}`, width: 16, height: size, pixels, label: i % 2 };
  });
  return new ImageSource(new MemoryStore(items, ['even', 'odd']), size);
}

/** A batch in plain numbers, so that two may be compared. */
function plainly(batch: Batch) {
  const images = [...(batch.images.toTypedArray() as Float32Array)];
  batch.images.dispose();
  return { images, indices: batch.indices, labels: batch.labels };
}

async function draw(loader: Loader, count: number) {
  const batches = [];
  for (let i = 0; i < count; i++) batches.push(plainly(await loader.next()));
  return batches;
}

testProp(
  'a loader goes on from any state exactly as the one that was stopped',
  [
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.constantFrom('random' as const, 'center' as const),
    fc.boolean(),
  ],
  async (t, length, batchSize, before, prefetch, seed, crop, flip) => {
    const options: LoaderOptions = { batchSize, seed, crop, flip };
    const whole = new Loader(wide(length), { ...options, prefetch });
    await draw(whole, before);
    const state = whole.state();
    t.is(state.epoch * length + state.position, before * batchSize);
    const resumed = new Loader(wide(length), { ...options, position: structuredClone(state) });
    t.deepEqual(await draw(resumed, 3), await draw(whole, 3));
  },
  { numRuns: 40 },
);

test('every epoch has every image once, in another order', async (t) => {
  const batches = await draw(new Loader(wide(12), { batchSize: 4, seed: 3 }), 9);
  const epochs = [0, 3, 6].map((from) => batches.slice(from, from + 3).flatMap(({ indices }) => indices));
  for (const epoch of epochs)
    t.deepEqual(
      [...epoch].sort((a, b) => a - b),
      [...Array(12).keys()],
    );
  t.notDeepEqual(epochs[0], epochs[1]);
  t.notDeepEqual(epochs[1], epochs[2]);
  const other = await draw(new Loader(wide(12), { batchSize: 12, seed: 4 }), 1);
  t.notDeepEqual(other[0]!.indices, epochs[0]);
});

test('the shares of several processes make up the batches of one, and go on from its position', async (t) => {
  const source = wide(7);
  const joint = new Loader(source, { batchSize: 12, seed: 3 });
  const before = await draw(joint, 1);
  const position = joint.state();
  const [next] = await draw(joint, 1);
  joint.close();
  const shares = await Promise.all(
    [0, 1, 2].map(async (rank) => {
      const shard = { rank, worldSize: 3, block: 2 };
      const loader = new Loader(source, { batchSize: 4, seed: 3, position, shard });
      const [batch] = await draw(loader, 1);
      loader.close();
      return { ...batch!, after: loader.state() };
    }),
  );
  t.is(before[0]!.indices.length, 12);
  const order = [0, 1, 2, 0, 1, 2].flatMap((rank, i) =>
    shares[rank]!.indices.slice(i < 3 ? 0 : 2, i < 3 ? 2 : 4),
  );
  t.deepEqual(order, next!.indices);
  const sorted = (images: number[]) => images.toSorted((a, b) => a - b);
  t.deepEqual(sorted(shares.flatMap(({ images }) => images)), sorted(next!.images));
  for (const { after } of shares) t.deepEqual(after, shares[0]!.after);
});

test('a batch has the images that its indices and labels name, in [-1, 1]', async (t) => {
  const loader = new Loader(wide(6), { batchSize: 6 });
  const { images, indices, labels, waited } = await loader.next();
  t.deepEqual(images.shape, [6, 3, size, size]);
  t.is(images.dtype, 'float32');
  t.true(waited >= 0);
  t.deepEqual(
    labels,
    indices.map((i) => i % 2),
  );
  const blue = images.at('...', 2, 0, 0).toTypedArray() as Float32Array;
  t.deepEqual(
    [...blue],
    indices.map((i) => Math.fround(Math.fround(i / 127.5) - 1)),
  );
});

test('crops and flips vary over images and epochs; centre crops without flips do not', async (t) => {
  const seen = async (options: Partial<LoaderOptions>) => {
    const batches = await draw(new Loader(wide(8), { batchSize: 8, seed: 1, ...options }), 6);
    const red = batches.flatMap(({ images, indices }) =>
      indices.map((_, k) => images.slice(k * 3 * size * size, k * 3 * size * size + size)),
    );
    return {
      flipped: red.filter((row) => row[0]! > row[1]!).length,
      places: new Set(red.map((row) => Math.min(...row).toFixed(3))).size,
    };
  };
  const random = await seen({});
  t.true(random.flipped > 12 && random.flipped < 36, `${random.flipped} of 48 mirrored`);
  t.is(random.places, 13, 'every place where a square of 4 fits in 16');
  t.like(await seen({ flip: false }), { flipped: 0 });
  t.like(await seen({ crop: 'center', flip: false }), { flipped: 0, places: 1 });
});

test('wrong options are refused', (t) => {
  for (const [options, message] of [
    [{ batchSize: 0 }, /batchSize must be an integer of at least 1, got 0/],
    [{ batchSize: 1.5 }, /batchSize/],
    [{ batchSize: 2, prefetch: -1 }, /prefetch/],
    [
      { batchSize: 2, position: { epoch: 0, position: 3 } },
      /cannot continue at image 3 of 3: the position is from other data/,
    ],
  ] as const) {
    t.throws(() => new Loader(wide(3), options), { instanceOf: RangeError, message });
  }
});

/** Pictures that take a while, or fail. */
function slow(count: number, delay: number, failing: (index: number) => 'skip' | 'stop' | null = () => null) {
  const store = wide(count);
  const asked: number[] = [];
  const source: PictureStore = {
    length: count,
    classes: [],
    name: (i) => `picture ${i}`,
    label: () => undefined,
    hash: String,
    async load(i) {
      asked.push(i);
      await setTimeout(delay);
      const failure = failing(i);
      if (failure === 'stop') throw new ImageDataError(`picture ${i}`, 'broken');
      return failure === 'skip' ? null : store.picture(i);
    },
    async close() {},
  };
  return { source: new ImageSource(source, size), asked };
}

test('batches are read ahead of the one asked for, and no further', async (t) => {
  const { source, asked } = slow(40, 1);
  const loader = new Loader(source, { batchSize: 2, prefetch: 3 });
  t.is(asked.length, 8, 'one to give and three ahead');
  await loader.next();
  t.is(asked.length, 10);
  loader.close();
  await t.throwsAsync(
    async () => {
      for (;;) await loader.next();
    },
    { message: /closed/ },
  );
  t.is(asked.length, 10);
});

test('time spent waiting is reported: none for batches that were ready', async (t) => {
  const { source } = slow(40, 100);
  const loader = new Loader(source, { batchSize: 2, prefetch: 1 });
  const first = await loader.next();
  t.true(first.waited > 5 && first.waited < 1000, `${first.waited}`);
  await setTimeout(250);
  t.is((await loader.next()).waited, 0);
  loader.close();
});

test('an image that is skipped is replaced by the next, the same each time', async (t) => {
  const broken = (i: number) => (i === 2 || i === 3 ? ('skip' as const) : null);
  const blue = async () => {
    const { images, indices } = await new Loader(slow(5, 0, broken).source, { batchSize: 5, seed: 1 }).next();
    const values = images.at('...', 2, 0, 0).toTypedArray() as Float32Array;
    return indices.map((index, k) => [index, Math.round((values[k]! + 1) * 127.5)] as const);
  };
  for (const [index, shown] of await blue()) t.is(shown, index === 2 || index === 3 ? 4 : index);
  t.deepEqual(await blue(), await blue());
  const none = new Loader(slow(3, 0, () => 'skip').source, { batchSize: 1 });
  await t.throwsAsync(none.next(), { message: /nor any other could be decoded/ });
});

test('an error of a batch read ahead is thrown when that batch is asked for', async (t) => {
  const { source } = slow(6, 0, (i) => (i === 5 ? 'stop' : null));
  const loader = new Loader(source, { batchSize: 1, prefetch: 6, seed: 1 });
  await setTimeout(20);
  const given: number[] = [];
  await t.throwsAsync(
    async () => {
      for (;;) given.push(...(await loader.next()).indices);
    },
    { instanceOf: ImageDataError, message: /picture 5: broken/ },
  );
  t.true(given.length < 6 && !given.includes(5));
});

test('inOrder gives every image once, its middle, the last batch smaller', async (t) => {
  const indices: number[][] = [];
  for await (const batch of inOrder(wide(7), 3)) {
    t.deepEqual(batch.images.shape, [batch.indices.length, 3, size, size]);
    indices.push(batch.indices);
  }
  t.deepEqual(indices, [[0, 1, 2], [3, 4, 5], [6]]);
  for await (const { images } of inOrder(wide(1), 1)) {
    for await (const mirrored of inOrder(wide(1), 1, { flip: true })) {
      t.deepEqual(mirrored.images.tolist(), images.flip([3]).tolist());
    }
  }
  await t.throwsAsync(inOrder(wide(1), 0).next(), { message: /batch size/ });
});
