/** Saves images of a model as PNG files that contain their recipe. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAtomically } from '../files/atomic-file.js';
import { shownPath, systemPath } from '../files/file-names.js';
import { imageGrid, savePixels, type ImageGridOptions } from '../data/pictures/image-grid.js';
import { packageVersion } from '../files/package.js';
import { inAscii, labelledGrid, type Labelled } from '../reports/labelled-grid.js';
import type { Tensor } from '../torch/index.js';
import { unwritten } from '../runs/error.js';

/** Settings that an image was made with: enough to make it again. */
export type Recipe = Readonly<Record<string, unknown>>;

/**
 * Writes images [N, C, H, W] in [−1, 1] as one PNG with its recipe, as JSON, in the EXIF field ImageDescription. The
 * file appears under its name only when complete.
 *
 * @param labels class of each image, which is written below it. Default: none
 */
export async function saveImage(
  path: string,
  images: Tensor,
  recipe: Recipe,
  { labels, ...grid }: ImageGridOptions & { labels?: readonly Labelled[] } = {},
): Promise<void> {
  const { pixels, svg } = labels
    ? labelledGrid(images, labels, grid)
    : { pixels: imageGrid(images, grid), svg: null };
  const exif = {
    ImageDescription: inAscii(JSON.stringify(recipe)),
    Software: `tessera ${packageVersion()}`,
  };
  await writing(path, () => savePixels(path, pixels, { svg, exif }));
}

/** Writes the recipe of a folder of images next to them. */
export async function saveRecipe(path: string, recipe: Recipe): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(recipe, null, 2)}\n`).catch(unwrittenTo(path));
}

/** Makes the folder of a file and writes it. @throws RunError that says what to do if it cannot be written */
export async function writing(path: string, write: () => Promise<void>): Promise<void> {
  await mkdir(systemPath(dirname(path)), { recursive: true })
    .then(write)
    .catch(unwrittenTo(path));
}

const unwrittenTo = (path: string) => unwritten(shownPath(path), 'Name another place with --out.');
