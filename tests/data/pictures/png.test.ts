import test from 'ava';
import sharp from 'sharp';
import { pngNow } from '../../../src/data/pictures/png.js';

test('sharp reads the pixels that were written', async (t) => {
  for (const [width, height] of [
    [1, 1],
    [7, 3],
    [300, 200],
  ] as const) {
    const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7 + (i >> 4)) % 256);
    const { data, info } = await sharp(pngNow({ width, height, pixels }), { failOn: 'warning' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    t.like(info, { width, height, channels: 3 });
    t.deepEqual(Uint8Array.from(data), pixels);
  }
});
