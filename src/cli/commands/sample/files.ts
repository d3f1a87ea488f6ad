/** Files that `sample` writes: an image each or one grid, the page, and the recipe. */
import { join } from 'node:path';
import { imageGrid, type PackedImage } from '../../../data/pictures/image-grid.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { saveImage, saveRecipe, type Recipe } from '../../images.js';
import type { SampleFlags } from './command.js';
import type { DrawnImages } from './draw.js';
import { Gallery } from './gallery.js';
import { recipeOf, type PlannedImage } from './pictures.js';

type FileFlags = Pick<SampleFlags, 'grid' | 'gallery' | 'json'>;

/** Settings that all images have in common. */
interface Common {
  /** Folder of the files. */
  out: string;
  recipe: Recipe;
  /** Number of images of each condition, and of conditions. */
  each: number;
  conditions: number;
}

/** Writes images as they are drawn, and at the end the files that show or list all of them. */
export class SampleFiles {
  readonly flags: FileFlags;
  readonly common: Common;
  readonly paths: string[] = [];
  readonly #drawn: Tensor[] = [];
  readonly #planned: PlannedImage[] = [];
  readonly #gallery: Gallery | null;

  constructor(flags: FileFlags, common: Common) {
    this.flags = flags;
    this.common = common;
    this.#gallery = flags.gallery ? new Gallery() : null;
  }

  /** Path of an image's file. */
  pathOf({ index }: PlannedImage): string {
    return this.flags.grid ? this.#gridPath : join(this.common.out, `${String(index).padStart(4, '0')}.png`);
  }

  /** Adds images on the CPU. */
  async add(planned: readonly PlannedImage[], { images, decoded }: DrawnImages): Promise<void> {
    const { grid } = this.flags;
    if (grid) this.#drawn.push(images);
    this.#planned.push(...planned);
    for (const [i, one] of planned.entries()) {
      const image = images.narrow(0, i, 1);
      if (!grid) await this.#saveOne(one, image, decoded?.narrow(0, i, 1));
      await this.#gallery?.add(one, image, grid ? null : this.pathOf(one));
    }
  }

  /** Writes the grid, the page and the recipe. */
  async finish(): Promise<void> {
    const { out, recipe, each } = this.common;
    if (this.flags.grid) await this.#saveGrid();
    await saveRecipe(join(out, 'samples.json'), {
      ...recipe,
      ...this.#classes(),
      n: each,
      pictures: this.paths,
    });
    await this.#gallery?.save(join(out, 'gallery.html'), { ...recipe, n: each });
  }

  /** Returns images that are being drawn as far as they are known, by the paths of their files. */
  partial(planned: readonly PlannedImage[], images: Tensor): [path: string, picture: PackedImage][] {
    if (!this.flags.grid) {
      return planned.map((one, i) => [this.pathOf(one), imageGrid(images.narrow(0, i, 1))]);
    }
    const all = torch.scope(() => torch.cat([...this.#drawn, images]));
    const picture = imageGrid(all, this.gridOptions(images.shape.slice(2)));
    all.dispose();
    return [[this.#gridPath, picture]];
  }

  /** Images of a grid that are shown side by side, and its other options. */
  gridOptions(size: readonly number[]) {
    const { each, conditions } = this.common;
    if (conditions === 1) {
      return { columns: Math.min(8, Math.ceil(Math.sqrt(each))), scale: Math.min(...size) < 100 ? 2 : 1 };
    }
    const columns = each > 1 ? each : Math.ceil(Math.sqrt(conditions));
    return { columns, scale: Math.max(1, Math.floor(128 / Math.min(...size))) };
  }

  get #gridPath(): string {
    return join(this.common.out, 'grid.png');
  }

  async #saveOne(planned: PlannedImage, image: Tensor, decoded: Tensor | undefined): Promise<void> {
    const path = this.pathOf(planned);
    const recipe = { ...this.common.recipe, ...recipeOf(planned) };
    const { index } = planned;
    await saveImage(path, image, { ...recipe, picture: index });
    if (decoded) {
      await saveImage(path.replace(/\.png$/, '-raw.png'), decoded, { ...recipe, picture: index, raw: true });
    }
    this.#wrote(path, { ...recipe, index });
  }

  async #saveGrid(): Promise<void> {
    const { recipe, each } = this.common;
    const images = torch.cat(this.#drawn);
    const labels = this.#planned.flatMap(({ condition: { label } }) => (label ? [label] : []));
    const named = this.common.conditions > 1 ? { labels } : {};
    const whole = { ...recipe, ...this.#classes(), n: each };
    await saveImage(this.#gridPath, images, whole, { ...this.gridOptions(images.shape.slice(2)), ...named });
    this.#wrote(this.#gridPath, whole);
  }

  /** Entries of the recipe of all images that name the conditions and the seeds. */
  #classes(): Record<string, unknown> {
    const [first] = this.#planned;
    const { each } = this.common;
    const seeds = this.#planned.slice(0, each).flatMap(({ seed }) => (seed === null ? [] : [seed]));
    const conditions = this.#planned
      .filter((_, i) => i % each === 0)
      .map(({ condition }) => condition.recipe);
    return {
      ...(conditions.length > 1 ? { classes: conditions } : first?.condition.recipe),
      ...(seeds.length > 0 && { seeds }),
    };
  }

  #wrote(path: string, recipe: Recipe): void {
    this.paths.push(path);
    if (this.flags.json) process.stdout.write(`${JSON.stringify({ picture: path, ...recipe })}\n`);
  }
}
