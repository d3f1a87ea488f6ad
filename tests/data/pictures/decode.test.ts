import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import sharp, { type Sharp } from 'sharp';
import { decodePicture, readHeader, scaledSize, sniffFormat } from '../../../src/data/pictures/decode.js';
import { ImageDataError } from '../../../src/data/image-error.js';
import { folderFor, gradientImage, plain } from './pictures.js';

const formats: [string, (image: Sharp) => Sharp][] = [
  ['jpeg', (image) => image.jpeg()],
  ['png', (image) => image.png()],
  ['webp', (image) => image.webp()],
  ['avif', (image) => image.avif({ effort: 0 })],
  ['gif', (image) => image.gif()],
  ['tiff', (image) => image.tiff()],
];

for (const [format, encode] of formats) {
  test(`${format} is known by its first bytes, under any name`, async (t) => {
    const path = join(await folderFor(t), 'photo.png');
    await encode(gradientImage(30, 20)).toFile(path);
    const bytes = await readFile(path);
    t.is(sniffFormat(bytes), format as ReturnType<typeof sniffFormat>);
    t.deepEqual(await readHeader(path, bytes), { format: format as 'png', width: 30, height: 20 });
    const { pixels } = await decodePicture(path, 15, 10);
    t.is(pixels.length, 15 * 10 * 3);
    t.true(pixels[0]! < pixels[14 * 3]!, 'red grows to the right');
  });
}

const kinds: [string, () => Sharp, [number, number, number], number][] = [
  [
    '8-bit grey',
    () =>
      sharp(Buffer.alloc(64, 100), { raw: { width: 8, height: 8, channels: 1 } })
        .toColourspace('b-w')
        .png(),
    [100, 100, 100],
    1,
  ],
  [
    '16-bit RGB',
    () =>
      sharp(new Uint16Array(64 * 3).fill(200 * 257), { raw: { width: 8, height: 8, channels: 3 } })
        .toColourspace('rgb16')
        .png(),
    [200, 200, 200],
    1,
  ],
  [
    '16-bit grey',
    () =>
      sharp(new Uint16Array(64).fill(50 * 257), { raw: { width: 8, height: 8, channels: 1 } })
        .toColourspace('grey16')
        .png(),
    [50, 50, 50],
    1,
  ],
  [
    'grey with alpha',
    () => sharp(Buffer.alloc(128), { raw: { width: 8, height: 8, channels: 2 } }).png(),
    [255, 255, 255],
    0,
  ],
  [
    'transparent',
    () =>
      sharp({
        create: { width: 8, height: 8, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } },
      }).png(),
    [128, 128, 128],
    2,
  ],
  ['palette', () => plain(8, 8, '#3366cc').png({ palette: true }), [0x33, 0x66, 0xcc], 2],
  ['CMYK', () => plain(8, 8, '#ff0000').toColourspace('cmyk').jpeg(), [230, 45, 45], 45],
];

for (const [kind, make, colour, tolerance] of kinds) {
  test(`a ${kind} image becomes RGB`, async (t) => {
    const path = join(await folderFor(t), 'picture');
    await make().toFile(path);
    const { pixels } = await decodePicture(path, 1, 1);
    t.is(pixels.length, 3);
    for (const [i, value] of colour.entries()) {
      t.true(Math.abs(pixels[i]! - value) <= tolerance, `${pixels.join()} ~ ${colour.join()}`);
    }
  });
}

test('an image is turned upright, and its header says the upright size', async (t) => {
  const path = join(await folderFor(t), 'turned.jpg');
  // Orientation 6 is shown turned a quarter clockwise: what was at the top comes to the right.
  await gradientImage(40, 20).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toFile(path);
  t.like(await readHeader(path, await readFile(path)), { width: 20, height: 40 });
  const { pixels } = await decodePicture(path, 2, 4);
  const red = (x: number, y: number) => pixels[(y * 2 + x) * 3]!;
  const green = (x: number, y: number) => pixels[(y * 2 + x) * 3 + 1]!;
  t.true(red(0, 3) > red(0, 0) + 100, 'red grows downwards now');
  t.true(green(0, 0) > green(1, 0) + 50, 'green grows to the left now');
});

test('of an animation the first frame is taken', async (t) => {
  const path = join(await folderFor(t), 'moving.gif');
  const frames = await Promise.all(
    ['#ff0000', '#0000ff'].map((colour) => plain(10, 10, colour).png().toBuffer()),
  );
  await sharp(frames, { join: { animated: true } })
    .gif()
    .toFile(path);
  t.is((await sharp(path).metadata()).pages, 2);
  t.like(await readHeader(path, await readFile(path)), { format: 'gif', width: 10, height: 10 });
  t.deepEqual([...(await decodePicture(path, 1, 1)).pixels], [255, 0, 0]);
});

/** A PNG whose header claims a size, with hardly any data. */
function hugePng(width: number, height: number): Promise<Buffer> {
  return plain(4, 4, '#000000')
    .png()
    .toBuffer()
    .then((png) => {
      png.writeUInt32BE(width, 16);
      png.writeUInt32BE(height, 20);
      png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
      return png;
    });
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const unusable: [string, () => Buffer | Promise<Buffer>, RegExp][] = [
  ['an empty file', () => Buffer.alloc(0), /the file is empty/],
  [
    'text',
    () => Buffer.from('this is not an image'),
    /not a JPEG, PNG, WebP, AVIF, GIF or TIFF, despite its extension/,
  ],
  ['SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /not a JPEG, PNG/],
  [
    'a JPEG cut after its first bytes',
    () => Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
    /header cannot be read \(.+\)/,
  ],
  [
    'a header of a billion pixels',
    () => hugePng(100_000, 10_000),
    /100000 × 10000 pixels are 1000 megapixels/,
  ],
];

for (const [what, make, message] of unusable) {
  test(`${what} is refused with path and reason, before it is decoded`, async (t) => {
    const error = await t.throwsAsync(async () => readHeader('photo.jpg', await make()), {
      instanceOf: ImageDataError,
      message,
    });
    t.true(error.message.startsWith('photo.jpg: '));
    t.false(error.message.includes('\n'));
  });
}

for (const [format, encode] of formats.filter(([name]) => name !== 'avif' && name !== 'gif')) {
  test(`half a ${format} file is an error that names it`, async (t) => {
    const path = join(await folderFor(t), `half.${format}`);
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
    const bytes = await encode(sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })).toBuffer();
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length / 2)));
    await t.throwsAsync(decodePicture(path, 8, 8), {
      instanceOf: ImageDataError,
      message: new RegExp(`half.${format}: cannot be decoded \\(.+\\)`),
    });
  });
}

testProp(
  'the shorter side becomes the size asked for, the longer in proportion, at most four times as long',
  [fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 512 })],
  (t, width, height, size) => {
    const [w, h] = scaledSize({ width, height }, size);
    t.is(Math.min(w, h), size);
    t.true(Math.max(w, h) <= 4 * size);
    const ratio = Math.min(4, Math.max(width, height) / Math.min(width, height));
    t.true(Math.abs(Math.max(w, h) - ratio * size) <= 0.5);
    t.is(w > h, width > height && w !== h);
  },
);

testProp(
  'any image is decoded to the size asked for',
  [fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 40 })],
  async (t, width, height, size) => {
    const png = await plain(width, height, '#336699').png().toBuffer();
    const [w, h] = scaledSize({ width, height }, size);
    const { pixels } = await decodePicture('x.png', w, h, png);
    t.is(pixels.length, w * h * 3);
    for (const [i, value] of [0x33, 0x66, 0x99].entries()) t.true(Math.abs(pixels[i]! - value) <= 2);
  },
  { numRuns: 30 },
);
