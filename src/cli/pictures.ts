/** Pictures out of a model, as PNG files that say how they were made. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { shownPath, systemPath } from '../data/file-names.js';
import { imageGrid, type ImageGridOptions } from '../data/image-grid.js';
import { loadSharp } from '../data/sharp.js';
import { packageRoot } from '../torch/native/libtorch/platform.js';
import type { Tensor } from '../torch/index.js';
import { writeError } from '../training/run-error.js';

/** How a picture was made: enough to make it again. */
export type Recipe = Readonly<Record<string, unknown>>;

/**
 * Writes images [N, C, H, W] in [−1, 1] as one PNG with its recipe, as JSON, in the EXIF field ImageDescription. The
 * file appears under its name only when complete.
 */
export async function savePicture(
  path: string,
  images: Tensor,
  recipe: Recipe,
  grid: ImageGridOptions = {},
): Promise<void> {
  const { width, height, pixels } = imageGrid(images, grid);
  const sharp = await loadSharp();
  const partial = `${path}.${process.pid}.partial`;
  // EXIF text is ASCII.
  const text = JSON.stringify(recipe).replace(
    /[^\x20-\x7e]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  await writing(path, async () => {
    try {
      await mkdir(systemPath(dirname(path)), { recursive: true });
      // In memory first: libvips tells little of why a file cannot be written.
      const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
        .withExif({ IFD0: { ImageDescription: text, Software: `tessera ${await version()}` } })
        .png()
        .toBuffer();
      await writeFile(systemPath(partial), png);
      await rename(systemPath(partial), systemPath(path));
    } catch (error) {
      await rm(systemPath(partial), { force: true });
      throw error;
    }
  });
}

/** Writes the recipe of a folder of pictures beside them. */
export async function saveRecipe(path: string, recipe: Recipe): Promise<void> {
  await writing(path, () => writeFile(path, `${JSON.stringify(recipe, null, 2)}\n`));
}

async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw writeError(shownPath(path), error, 'Name another place with --out.');
  }
}

let known: string | null = null;

/** The package's version. */
export async function version(): Promise<string> {
  known ??= (JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version;
  return known;
}
