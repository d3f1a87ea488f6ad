/** Creates the images for both checkouts, always the same ones. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Checkout } from './checkout.js';

/** Returns stripes of changing width and colour, `width` × 16 pixels. */
function stripes(number: number, width: number): Buffer {
  const pixels = Buffer.alloc(width * 16 * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * (number + 3) + 40 * number + 17 * (i % 3)) % 256;
  return pixels;
}

async function draw(folder: string, count: number, first: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const width = 16 + (i % 3) * 4;
    const raw = { width, height: 16, channels: 3 } as const;
    await sharp(stripes(first + i, width), { raw })
      .png()
      .toFile(join(folder, `${String(i).padStart(2, '0')}.png`));
  }
}

/** Creates `photos`, `classes` (two folders), `packed` and `lpips.safetensors`; the last two by `checkout`. */
export async function makeImages(folder: string, checkout: Checkout): Promise<void> {
  await draw(join(folder, 'photos'), 14, 0);
  await draw(join(folder, 'classes', 'round'), 7, 20);
  await draw(join(folder, 'classes', 'square'), 7, 40);
  const packed = await checkout.tessera([
    'data',
    'pack',
    '../data/photos',
    '../data/packed',
    '--size',
    '16',
    '--held-out',
    '4',
  ]);
  if (packed.code !== 0) throw new Error(`the images could not be packed: ${packed.stderr}`);
  await checkout.ask('lpips', join(folder, 'lpips.safetensors'));
}
