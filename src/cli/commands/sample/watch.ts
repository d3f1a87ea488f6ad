/** Images that `sample` shows while codes are drawn: partial ones in the files (--stream), and frames (--animate). */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { imageGrid, type PackedImage } from '../../../data/pictures/image-grid.js';
import { pngNow } from '../../../data/pictures/png.js';
import { loadSharp } from '../../../data/pictures/sharp.js';
import { replaceNow, writeAtomically } from '../../../files/atomic-file.js';
import { systemPath } from '../../../files/file-names.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { Tensor } from '../../../torch/index.js';
import { writing } from '../../images.js';
import type { SampleFlags } from './command.js';
import type { SampleFiles } from './files.js';
import { PartialImages } from './partial.js';
import type { Photo } from './photo.js';
import type { PlannedImage } from './pictures.js';
import type { DrawnSize } from './size.js';

type WatchFlags = Pick<SampleFlags, 'stream' | 'animate'>;

/** How the images are drawn, and where they are written. */
interface Drawing {
  model: TwoStage;
  area: DrawnSize;
  photo: Photo | null;
  files: SampleFiles;
}

/** Milliseconds that a frame and the last one are shown. */
const delay = { frame: 60, last: 2000 };

/** Follows batches while they are drawn. */
export class Watcher {
  readonly #flags: WatchFlags;
  readonly #drawing: Drawing;
  readonly #every: number;
  readonly #frames: PackedImage[] = [];
  #partial: PartialImages | null = null;
  #planned: readonly PlannedImage[] = [];
  #waiting = 0;

  constructor(flags: WatchFlags, drawing: Drawing) {
    this.#flags = flags;
    this.#drawing = drawing;
    this.#every = typeof flags.stream === 'number' ? flags.stream : drawing.area.grid[1];
  }

  /** Begins a batch. */
  begin(planned: readonly PlannedImage[]): void {
    this.#planned = planned;
    this.#waiting = 0;
    if (!this.#isWatched) return;
    const { model, area, photo } = this.#drawing;
    this.#partial = new PartialImages(model, area, photo, planned.length);
  }

  /** Takes the codes `[B, K]` of K cells, and shows the images if it is time to. */
  add(cells: readonly number[], tokens: Tensor): void {
    if (!this.#partial) return;
    this.#partial.add(cells, tokens);
    this.#waiting += cells.length;
    if (this.#waiting < this.#every || this.#partial.isComplete) return;
    this.#waiting = 0;
    this.#show(this.#partial.images());
  }

  /** Ends a batch with its images `[B, C, H, W]` on the CPU. */
  end(images: Tensor): void {
    if (this.#partial && this.#isAnimated) this.#frames.push(this.#frameOf(images));
    this.#partial?.dispose();
    this.#partial = null;
  }

  /** Writes the animation. */
  async save(): Promise<void> {
    const { animate } = this.#flags;
    if (animate === undefined) return;
    const [{ width, height }] = this.#frames as [PackedImage];
    const pages = this.#frames.length;
    const sharp = await loadSharp();
    const raw = { width, height: height * pages, channels: 3 as const, pageHeight: height };
    const frames = sharp(Buffer.concat(this.#frames.map(({ pixels }) => pixels)), { raw });
    const how = { loop: 0, delay: this.#frames.map((_, i) => (i < pages - 1 ? delay.frame : delay.last)) };
    const bytes = await (
      animate.toLowerCase().endsWith('.gif') ? frames.gif(how) : frames.webp(how)
    ).toBuffer();
    await writing(animate, () => writeAtomically(animate, bytes));
  }

  /** True for the first batch of an animation. */
  get #isAnimated(): boolean {
    return this.#flags.animate !== undefined && this.#planned[0]?.index === 0;
  }

  get #isWatched(): boolean {
    return this.#flags.stream !== undefined || this.#isAnimated;
  }

  #frameOf(images: Tensor): PackedImage {
    const { columns, scale } = this.#drawing.files.gridOptions(images.shape.slice(2));
    return imageGrid(images, { columns: Math.min(columns, images.shape[0]!), scale });
  }

  #show(images: Tensor): void {
    if (this.#isAnimated) this.#frames.push(this.#frameOf(images));
    if (this.#flags.stream !== undefined) {
      for (const [path, picture] of this.#drawing.files.partial(this.#planned, images)) {
        mkdirSync(systemPath(dirname(path)), { recursive: true });
        replaceNow(path, pngNow(picture));
      }
    }
    images.dispose();
  }
}
