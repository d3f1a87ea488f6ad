import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test, { type ExecutionContext } from 'ava';
import { mapToTensor } from '../../../src/data/fields/example.js';
import { ImageDataError } from '../../../src/data/image-error.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { inOrder, Loader } from '../../../src/data/batches/loader.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { openImages } from '../../../src/data/open-images.js';
import { packImages } from '../../../src/data/packed/pack-images.js';
import { sceneLabels } from '../../../src/data/built-in/scene-render.js';
import { gradient } from '../pictures/pictures.js';

const size = 4;

/** Wide pictures with two maps: `red`, the red of each pixel, and `half`, which half of the picture it is in. */
function mapped(count: number, width = 12): ImageSource {
  const items = Array.from({ length: count }, (_, i) => {
    const pixels = gradient(width, size, i);
    const red = Uint8Array.from({ length: width * size }, (__, p) => pixels[3 * p]!);
    const half = red.map((__, p) => (p % width < width / 2 ? 0 : 1));
    return { name: `${i}`, hash: `${i}`, width, height: size, pixels, label: i % 2, maps: { red, half } };
  });
  const maps = { red: {}, half: { labels: ['left', 'right'] } };
  return new ImageSource(new MemoryStore(items, ['even', 'odd'], maps), size);
}

async function packedFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-examples-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return join(folder, 'packed');
}

testProp(
  'a map is cut and mirrored with its image',
  [fc.double({ min: 0, max: 0.999, noNaN: true }), fc.boolean()],
  async (t, x, flip) => {
    const source = mapped(3);
    const options = { views: [0, 1, 2].map(() => ({ x, y: 0.5, flip })) };
    const { image, fields } = await source.readExamples([2, 0, 1], ['red', 'half'], options);
    t.deepEqual(fields['red']!.toTypedArray(), image.narrow(1, 0, 1).contiguous().toTypedArray());
    t.deepEqual(fields['half']!.shape, [3, 2, size, size]);
  },
  { numRuns: 20 },
);

test('labels of pixels become one-hot planes, intensities numbers from −1 to 1', (t) => {
  const bytes = Uint8Array.of(0, 2, 1, 0);
  const planes = mapToTensor(bytes, 2, { labels: ['a', 'b', 'c'] }, 'cpu'); // [1, 3, 2, 2]
  t.deepEqual([...(planes.toTypedArray() as Float32Array)], [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
  const values = mapToTensor(Uint8Array.of(0, 255, 255, 0), 2, {}, 'cpu'); // [1, 1, 2, 2]
  t.deepEqual([...(values.toTypedArray() as Float32Array)], [-1, 1, 1, -1]);
});

test('a loader gives the fields that were asked for, after a resumption too', async (t) => {
  const options = { batchSize: 2, seed: 3, fields: ['label', 'red'] };
  const whole = new Loader(mapped(5), options);
  await whole.next();
  const position = whole.state();
  const expected = await whole.next();
  const resumed = await new Loader(mapped(5), { ...options, position }).next();
  t.deepEqual(resumed.fields['red']!.toTypedArray(), expected.fields['red']!.toTypedArray());
  t.deepEqual(resumed.fields['label']!.tolist(), expected.labels);
  t.deepEqual(Object.keys(resumed.fields).sort(), ['label', 'red']);
  for await (const { images, fields } of inOrder(mapped(3), 2, { fields: ['red'] })) {
    t.deepEqual(fields['red']!.toTypedArray(), images.narrow(1, 0, 1).contiguous().toTypedArray());
  }
});

test('a field that the images lack is refused with those they have', async (t) => {
  const source = mapped(1);
  t.deepEqual(source.fields, ['label', 'red', 'half']);
  const expected = {
    instanceOf: RangeError,
    message: 'these images have no field "depth"; they have: label, red, half',
  };
  t.throws(() => new Loader(source, { batchSize: 1, fields: ['depth'] }), expected);
  await t.throwsAsync(source.readExamples([0], ['depth']), expected);
});

test('an image without the map that its store promises is an error', async (t) => {
  const item = { name: 'bare', hash: '0', width: size, height: size, pixels: gradient(size, size, 0) };
  const source = new ImageSource(new MemoryStore([item], [], { depth: {} }), size);
  await t.throwsAsync(source.readExamples([0], ['depth']), {
    instanceOf: ImageDataError,
    message: /bare.*has no map "depth" of its own size/,
  });
});

test('asking for the maps of images that have none is an error', async (t) => {
  const request = { path: 'emoji', size: 16, count: 4, heldOut: 1 };
  await t.throwsAsync(packImages(request, await packedFolder(t), { maps: true }), {
    instanceOf: ImageDataError,
    message: /no maps to pack/,
  });
});

test('scenes have segmentation and depth, live and packed', async (t) => {
  const made = { size: 16, count: 6, heldOut: 2 };
  const live = await openImages({ path: 'scenes', ...made }, { maps: true });
  const packed = await packedFolder(t);
  await packImages({ path: 'scenes', ...made }, packed, { maps: true, shardBytes: 3000 });
  const ready = await openImages({ path: packed, ...made });
  t.deepEqual(ready.train.fields, ['label', 'segmentation', 'depth']);
  const fields = ['segmentation', 'depth'];
  const [a, b] = [
    await live.train.readSquares([0, 3], fields),
    await ready.train.readSquares([0, 3], fields),
  ];
  t.deepEqual(b, a);
  const { segmentation, depth } = live.train.toExample(a).fields;
  t.deepEqual(segmentation!.shape, [2, sceneLabels.length, 16, 16]);
  t.deepEqual([...new Set(segmentation!.sum(1).toTypedArray() as Float32Array)], [1]);
  const sky = segmentation!.select(1, sceneLabels.indexOf('sky'));
  t.is(depth!.select(1, 0).maskedSelect(sky.ne(0)).max().item(), -1); // The sky is infinitely far.
  await ready.close();
});

test('scenes are packed without maps unless they are asked for', async (t) => {
  const packed = await packedFolder(t);
  await packImages({ path: 'scenes', size: 16, count: 4, heldOut: 1 }, packed);
  const { train, index, close } = await openImages({ path: packed, size: 16 });
  t.deepEqual(train.fields, ['label']);
  t.false('maps' in index!);
  await close();
});
