/** The page of `sample --gallery`: thumbnails of all images, with their conditions, seeds and settings. */
import { basename } from 'node:path';
import { imageGrid } from '../../../data/pictures/image-grid.js';
import { loadSharp } from '../../../data/pictures/sharp.js';
import { writePage, type GalleryPicture } from '../../../reports/page.js';
import type { Tensor } from '../../../torch/index.js';
import { writing, type Recipe } from '../../images.js';
import type { PlannedImage } from './pictures.js';

/** Largest side of a thumbnail, in pixels. */
const most = 256;

/** Collects thumbnails for a page. */
export class Gallery {
  readonly #sections = new Map<string, GalleryPicture[]>();

  /** Adds an image `[1, C, H, W]`, and its file, to which the thumbnail is linked. */
  async add({ index, condition, seed }: PlannedImage, image: Tensor, file: string | null): Promise<void> {
    const title = condition.label?.name ?? condition.described.replace(/^ for /, '');
    const name = title === '' ? 'Images' : title;
    const pictures = this.#sections.get(name) ?? [];
    this.#sections.set(name, pictures);
    pictures.push({
      png: await smallPng(image),
      caption: `${index}${title === '' ? '' : `: ${title}`}`,
      ...(seed !== null && { note: `seed ${seed}` }),
      ...(file !== null && { link: basename(file) }),
      pixelated: Math.max(...image.shape.slice(2)) < most,
    });
  }

  /** Writes the page. */
  async save(path: string, recipe: Recipe): Promise<void> {
    const count = [...this.#sections.values()].reduce((sum, pictures) => sum + pictures.length, 0);
    const sections = [...this.#sections].map(([title, pictures]) => ({
      title,
      blocks: [{ kind: 'gallery' as const, pictures }],
    }));
    const text = JSON.stringify(recipe, null, 2);
    await writing(path, () =>
      writePage(path, {
        title: `Images of ${String(recipe['run'])}`,
        lead: `${count} ${count === 1 ? 'image' : 'images'}, seed ${String(recipe['seed'])}, step ${String(recipe['step'])}.`,
        sections: [
          ...sections,
          { title: 'Settings', blocks: [{ kind: 'details', title: 'samples.json', text }] },
        ],
      }),
    );
  }
}

/** Returns an image `[1, C, H, W]` as a PNG of at most 256 pixels per side. */
async function smallPng(image: Tensor): Promise<Uint8Array> {
  const { width, height, pixels } = imageGrid(image);
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize({ width: most, height: most, fit: 'inside', withoutEnlargement: true })
    .png()
    .toBuffer();
}
