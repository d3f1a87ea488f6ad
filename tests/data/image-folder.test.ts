import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { ImageDataError } from '../../src/data/image-error.js';
import { batches, decodeImage, ImageFolder } from '../../src/data/image-folder.js';

async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-images-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const flat = (
  width: number,
  height: number,
  background: string | { r: number; g: number; b: number; alpha: number },
) => sharp({ create: { width, height, channels: typeof background === 'string' ? 3 : 4, background } });

async function threeImages(t: ExecutionContext): Promise<string> {
  const folder = await temporary(t);
  await mkdir(join(folder, 'sub'));
  await flat(20, 10, '#ff0000').png().toFile(join(folder, 'a.png'));
  await flat(8, 30, '#00ff00')
    .jpeg()
    .toFile(join(folder, 'sub', 'b.JPG'));
  await flat(16, 16, '#0000ff').webp({ lossless: true }).toFile(join(folder, 'c.webp'));
  await writeFile(join(folder, 'notes.txt'), 'not an image');
  await writeFile(join(folder, '.hidden.png'), 'not an image either');
  return folder;
}

const near = (t: ExecutionContext, actual: ArrayLike<number>, expected: number[], tolerance: number) => {
  t.is(actual.length, expected.length);
  for (const [i, value] of expected.entries())
    t.true(Math.abs(actual[i]! - value) <= tolerance, `${actual[i]} ~ ${value}`);
};

test('finds images of all formats recursively and gives them in [-1, 1]', async (t) => {
  const folder = await ImageFolder.open(await threeImages(t), { size: 4 });
  t.deepEqual(
    folder.files.map((f) => f.split('/').at(-1)),
    ['a.png', 'c.webp', 'b.JPG'],
  );
  const batch = await folder.read([0, 1, 2]);
  t.deepEqual(batch.shape, [3, 3, 4, 4]);
  t.is(batch.dtype, 'float32');
  const colours = batch.mean([2, 3]).toTypedArray() as Float32Array;
  near(t, colours, [1, -1, -1, -1, -1, 1, -1, 1, -1], 0.02);
});

test('a picture keeps its middle and is turned upright', async (t) => {
  const folder = await temporary(t);
  // Left third red, middle green, right third blue; then the same with an orientation of 90° to the right.
  const bands = Buffer.concat(
    Array.from({ length: 20 * 60 }, (_, i) =>
      Buffer.from(i % 60 < 20 ? [255, 0, 0] : i % 60 < 40 ? [0, 255, 0] : [0, 0, 255]),
    ),
  );
  const raw = { raw: { width: 60, height: 20, channels: 3 as const } };
  await sharp(bands, raw).png().toFile(join(folder, 'wide.png'));
  const green = Array.from({ length: 400 }, () => [0, 255, 0]).flat();
  t.deepEqual([...(await decodeImage(join(folder, 'wide.png'), 20))], green);

  const half = Buffer.concat(
    Array.from({ length: 400 }, (_, i) => Buffer.from(i < 200 ? [255, 255, 255] : [0, 0, 0])),
  );
  const square = { raw: { width: 20, height: 20, channels: 3 as const } };
  await sharp(half, square).withMetadata({ orientation: 6 }).png().toFile(join(folder, 'turned.png'));
  // Orientation 6 is shown turned 90° clockwise: the white upper half comes to the right.
  near(
    t,
    await decodeImage(join(folder, 'turned.png'), 2),
    [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255],
    20,
  );
});

test('grey, 16-bit and transparent pictures become plain RGB', async (t) => {
  const folder = await temporary(t);
  const file = (name: string) => join(folder, name);
  const grey = Buffer.alloc(64, 100);
  await sharp(grey, { raw: { width: 8, height: 8, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(file('grey.png'));
  near(t, await decodeImage(file('grey.png'), 1), [100, 100, 100], 1);

  const deep = new Uint16Array(64 * 3).fill(200 * 257);
  await sharp(deep, { raw: { width: 8, height: 8, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toFile(file('deep.png'));
  t.is((await sharp(file('deep.png')).metadata()).depth, 'ushort');
  near(t, await decodeImage(file('deep.png'), 1), [200, 200, 200], 1);

  const deepGrey = new Uint16Array(64).fill(50 * 257);
  await sharp(deepGrey, { raw: { width: 8, height: 8, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toFile(file('deep-grey.png'));
  t.is((await sharp(file('deep-grey.png')).metadata()).depth, 'ushort');
  near(t, await decodeImage(file('deep-grey.png'), 1), [50, 50, 50], 1);

  await flat(8, 8, { r: 0, g: 0, b: 0, alpha: 0 }).png().toFile(file('clear.png'));
  near(t, await decodeImage(file('clear.png'), 1), [255, 255, 255], 0);

  const deepClear = new Uint16Array(64 * 4).fill(0);
  await sharp(deepClear, { raw: { width: 8, height: 8, channels: 4 } })
    .toColourspace('rgb16')
    .png()
    .toFile(file('deep-clear.png'));
  near(t, await decodeImage(file('deep-clear.png'), 1), [255, 255, 255], 1);

  await flat(8, 8, '#ff0000').toColourspace('cmyk').jpeg().toFile(file('print.jpg'));
  const [red, green, blue] = await decodeImage(file('print.jpg'), 1);
  t.true(red! > 200 && green! < 90 && blue! < 90);
});

test('missing, empty and wrong folders are named with the reason', async (t) => {
  const folder = await temporary(t);
  await t.throwsAsync(ImageFolder.open(join(folder, 'nowhere'), { size: 8 }), {
    instanceOf: ImageDataError,
    message: /nowhere: there is no such folder/,
  });
  await t.throwsAsync(ImageFolder.open(folder, { size: 8 }), { message: /there are no images here.*\.png/ });
  await writeFile(join(folder, 'file.png'), '');
  await t.throwsAsync(ImageFolder.open(join(folder, 'file.png'), { size: 8 }), { message: /not a folder/ });
  await t.throwsAsync(ImageFolder.open(folder, { size: 0 }), { instanceOf: RangeError });
});

for (const [what, spoil] of [
  ['empty', () => Buffer.alloc(0)],
  ['text', () => Buffer.from('this is no image')],
  ['truncated', (png: Buffer) => png.subarray(0, Math.floor(png.length / 2))],
] as const) {
  test(`an undecodable image (${what}) is one error, with path and reason, before any batch`, async (t) => {
    const folder = await threeImages(t);
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
    const png = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(folder, 'sub', 'broken.png'), spoil(png));
    const error = await t.throwsAsync(ImageFolder.open(folder, { size: 8 }), { instanceOf: ImageDataError });
    t.regex(error.message, /broken\.png: this image cannot be decoded \(.+\)\. Repair it, or move it/);
    t.false(error.message.includes('\n'));
  });
}

test('what does not fit the cache is decoded when it is read, with the same errors', async (t) => {
  const path = await threeImages(t);
  await writeFile(join(path, 'z.png'), 'broken');
  const folder = await ImageFolder.open(path, { size: 8, cacheBytes: 0 });
  t.deepEqual((await folder.read([0])).shape, [1, 3, 8, 8]);
  const last = folder.files.findIndex((f) => f.endsWith('z.png'));
  await t.throwsAsync(folder.read([last]), { instanceOf: ImageDataError, message: /z\.png/ });
  await t.throwsAsync(folder.read([99]), { instanceOf: RangeError, message: /image 99 of a folder with 4/ });
});

test('a split holds out images that training never reads, the same for the same seed', async (t) => {
  const path = await threeImages(t);
  const folder = await ImageFolder.open(path, { size: 4 });
  const { train, heldOut } = folder.split(1, 5);
  t.is(train.length, 2);
  t.deepEqual([...train.files, ...heldOut.files].sort(), [...folder.files]);
  t.deepEqual(folder.split(1, 5).heldOut.files, heldOut.files);
  t.throws(() => folder.split(3), { message: /hold out/ });
});

test('links to images are read, and links to nowhere are errors', async (t) => {
  const path = await threeImages(t);
  await symlink(join(path, 'a.png'), join(path, 'link.png'));
  t.is((await ImageFolder.open(path, { size: 4 })).length, 4);
  await symlink(join(path, 'gone.png'), join(path, 'dead.png'));
  await t.throwsAsync(ImageFolder.open(path, { size: 4 }), {
    instanceOf: ImageDataError,
    message: /dead\.png/,
  });
});

test('batches are endless, cover the folder, and follow from the seed', async (t) => {
  const folder = await ImageFolder.open(await threeImages(t), { size: 2 });
  const draw = async (seed: number, count: number) => {
    const data = batches(folder, 3, { seed });
    const result: number[][] = [];
    for (let i = 0; i < count; i++) {
      const x = (await data.next()).value;
      result.push([...(x.mean([2, 3]).argmax(1).toTypedArray() as BigInt64Array)].map(Number));
    }
    return result;
  };
  const drawn = await draw(1, 4);
  for (const batch of drawn)
    t.deepEqual(
      [...batch].sort((a, b) => a - b),
      [0, 1, 2],
    );
  t.deepEqual(await draw(1, 4), drawn);
  t.notDeepEqual(await draw(2, 4), drawn);
  await t.throwsAsync(batches(folder, 0).next(), { message: /batch size/ });
});

test('a batch larger than the folder repeats it', async (t) => {
  const folder = await ImageFolder.open(await threeImages(t), { size: 2 });
  t.deepEqual((await batches(folder, 7).next()).value.shape, [7, 3, 2, 2]);
});

testProp(
  'any picture becomes a square of the size asked for',
  [fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 40 })],
  async (t, width, height, size) => {
    const folder = await mkdtemp(join(tmpdir(), 'tessera-images-'));
    try {
      await flat(width, height, '#336699').png().toFile(join(folder, 'x.png'));
      const pixels = await decodeImage(join(folder, 'x.png'), size);
      t.is(pixels.length, size * size * 3);
      near(t, pixels.subarray(0, 3), [0x33, 0x66, 0x99], 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  { numRuns: 30 },
);
