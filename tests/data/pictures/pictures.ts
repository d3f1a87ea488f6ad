import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp, { type Color, type Sharp } from 'sharp';

/** A folder that is gone after the test. */
export async function folderFor(t: Pick<ExecutionContext, 'teardown'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-data-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A picture of one colour. */
export function plain(width: number, height: number, background: Color): Sharp {
  return sharp({ create: { width, height, channels: 3, background } });
}

/** RGB bytes whose colour tells where they are: red grows to the right, green downwards, blue is `blue`. */
export function gradient(width: number, height: number, blue = 0): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels.set([Math.round((255 * x) / width), Math.round((255 * y) / height), blue], (y * width + x) * 3);
    }
  }
  return pixels;
}

export function gradientImage(width: number, height: number, blue = 0): Sharp {
  return sharp(gradient(width, height, blue), { raw: { width, height, channels: 3 } });
}

/** Writes `count` different pictures and returns their paths, which sort by number. */
export async function writePictures(folder: string, count: number, side = 12): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, i) => join(folder, `${String(i).padStart(3, '0')}.png`));
  await Promise.all(
    paths.map((path, i) =>
      plain(side, side, { r: (i * 37) % 256, g: (i * 91) % 256, b: i % 256 })
        .png()
        .toFile(path),
    ),
  );
  return paths;
}
