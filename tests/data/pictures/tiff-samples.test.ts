import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { decodePicture } from '../../../src/data/pictures/decode.js';
import { openImages } from '../../../src/data/open-images.js';
import { folderFor, plain } from './pictures.js';
import { tiff, type TiffPicture } from './tiff.js';

/** Pictures of one colour, or of a grey ramp from black to white in 16 steps. */
const read: [string, TiffPicture, number[]][] = [
  ['floats 0 to 1, grey', { bits: 32, format: 3, value: (i) => i / 15 }, [0, 0, 0, 17, 17, 17, 34, 34, 34]],
  ['floats 0 to 255, grey', { bits: 32, format: 3, value: (i) => i * 17 }, [0, 0, 0, 17, 17, 17, 34, 34, 34]],
  [
    'floats 0 to 1, RGB',
    { bits: 32, format: 3, samples: 3, photometric: 2, value: () => 0.5 },
    [128, 128, 128],
  ],
  [
    'floats 0 to 255, RGB',
    { bits: 32, format: 3, samples: 3, photometric: 2, value: () => 128 },
    [128, 128, 128],
  ],
  ['floats, big-endian', { bits: 32, format: 3, value: () => 0.25, bigEndian: true }, [64, 64, 64]],
  ['floats whose zero is white', { bits: 32, format: 3, photometric: 0, value: () => 0.25 }, [191, 191, 191]],
  [
    'floats a rounding beyond 1',
    { bits: 32, format: 3, value: (i) => (i === 0 ? 1.0001 : 0.2) },
    [255, 255, 255, 51, 51, 51],
  ],
  ['floats, all black', { bits: 32, format: 3, value: () => 0 }, [0, 0, 0]],
  ['16 bits, grey', { bits: 16, format: 1, value: () => 200 * 257 }, [200, 200, 200]],
  [
    '16 bits, RGB, big-endian',
    { bits: 16, format: 1, samples: 3, photometric: 2, value: () => 200 * 257, bigEndian: true },
    [200, 200, 200],
  ],
  [
    '16 bits whose zero is white',
    { bits: 16, format: 1, photometric: 0, value: () => 200 * 257 },
    [55, 55, 55],
  ],
  [
    '16 bits, Lab',
    { bits: 16, format: 1, samples: 3, photometric: 8, value: (i) => [34690, 0, 0][i % 3]! },
    [127, 127, 127],
  ],
  [
    'grey with transparency',
    { bits: 8, format: 1, samples: 2, extra: [2], value: (i) => [100, 255][i % 2]! },
    [100, 100, 100],
  ],
  [
    'RGB with transparency',
    { bits: 8, format: 1, samples: 4, photometric: 2, extra: [2], value: (i) => [9, 8, 7, 0][i % 4]! },
    [255, 255, 255],
  ],
  [
    'RGB and near infrared',
    { bits: 8, format: 1, samples: 4, photometric: 2, extra: [0], value: (i) => [100, 20, 0, 0][i % 4]! },
    [100, 20, 0],
  ],
];

for (const [kind, picture, colours] of read) {
  test(`a TIFF of ${kind} has the colours it shows`, async (t) => {
    const { pixels } = await decodePicture('a.tif', 4, 4, tiff(picture));
    t.deepEqual([...pixels.subarray(0, colours.length)], colours);
  });
}

const floats = (value: (i: number) => number): TiffPicture => ({ bits: 32, format: 3, value });
const leftOut: [string, TiffPicture, RegExp][] = [
  ['negative floats', floats((i) => -i), /floating point from -15 to 0; expected 0 to 1, or 0 to 255/],
  ['floats from -1 to 1', floats((i) => i / 7.5 - 1), /floating point from -1 to 1; expected 0 to 1/],
  ['light beyond 1', floats((i) => i / 3), /from 0 to 5, which is ambiguous/],
  [
    'rare highlights',
    { ...floats((i) => (i === 7 ? 200.5 : 0.3)), width: 16, height: 16 },
    /from 0.3 to 201, which is ambiguous/,
  ],
  ['floats to 60000', floats((i) => i * 4000), /from 0 to 60000/],
  ['NaN', floats((i) => (i === 3 ? NaN : 0.5)), /contain NaN/],
  ['infinity', floats((i) => (i === 3 ? Infinity : 0.5)), /contain infinity/],
  [
    'floats with transparency',
    { ...floats(() => 0.5), samples: 4, photometric: 2, extra: [2] },
    /with transparency/,
  ],
  ['floats, CMYK', { ...floats(() => 0.5), samples: 4, photometric: 5 }, /a colour space other than RGB/],
  ['doubles', { bits: 64, format: 3, value: () => 0.5 }, /floating point of 64 bits/],
  ['32-bit integers', { bits: 32, format: 1, value: (i) => i * 17 }, /integers of 32 bits/],
  ['signed 32-bit integers', { bits: 32, format: 2, value: (i) => i }, /signed integers/],
  ['signed 16-bit integers', { bits: 16, format: 2, value: (i) => i * 17 }, /signed integers/],
  ['signed bytes', { bits: 8, format: 2, samples: 3, photometric: 2, value: () => 100 }, /signed integers/],
  ['complex numbers', { bits: 64, format: 6, value: () => 0 }, /complex numbers/],
  ['Lab in 8 bits', { bits: 8, format: 1, samples: 3, photometric: 8, value: () => 9 }, /Lab in 8 bits/],
  ['a camera', { bits: 16, format: 1, photometric: 32803, value: () => 0 }, /raw mosaic data of a camera/],
  [
    '5 bands',
    { bits: 8, format: 1, samples: 5, photometric: 2, extra: [0, 0], value: () => 9 },
    /it has 5 bands/,
  ],
  ['5 bands of floats', { ...floats(() => 1), samples: 5, extra: [0, 0, 0, 0] }, /it has 5 bands/],
  [
    '2 bands, neither transparent',
    { bits: 8, format: 1, samples: 2, extra: [0], value: () => 9 },
    /it has 2 bands/,
  ],
];

test('a TIFF of samples that could be read wrongly is left out, with the reason', async (t) => {
  const folder = await folderFor(t);
  await plain(8, 8, '#336699').png().toFile(join(folder, 'good.png'));
  for (const [i, [, picture]] of leftOut.entries()) await writeFile(join(folder, `${i}.tif`), tiff(picture));
  for (const decodeAll of [true, false]) {
    const { report } = await openImages({ path: folder, size: 4, heldOut: 0 }, { decodeAll });
    t.is(report.train, 1);
    const reasons = new Map(report.skipped.map(({ path, reason }) => [basename(path), reason]));
    for (const [i, [kind, , reason]] of leftOut.entries())
      t.regex(reasons.get(`${i}.tif`) ?? 'read', reason, kind);
  }
});

test('of a TIFF with several pages the first is taken', async (t) => {
  const pages = await Promise.all(
    ['#ff0000', '#0000ff'].map((colour) => plain(8, 8, colour).png().toBuffer()),
  );
  const bytes = await sharp(pages, { join: { animated: true } })
    .tiff({ compression: 'lzw' })
    .toBuffer();
  t.is((await sharp(bytes).metadata()).pages, 2);
  t.deepEqual([...(await decodePicture('a.tif', 1, 1, bytes)).pixels], [255, 0, 0]);
});
