/** Draws batches of images for `sample`: of the trained size, or larger ones through a window. */
import type { ConditionInput } from '../../../models/conditions/condition.js';
import { LayoutStage } from '../../../models/conditions/layout/stage.js';
import { Several } from '../../../models/conditions/several.js';
import type { ObjectAnnotation } from '../../../models/conditions/layout/annotation.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { DrawOptions } from '../../../sampling/engines/token-memory.js';
import { completeImages } from '../../../sampling/completion.js';
import { ImageSampler, sampleImages } from '../../../sampling/images.js';
import type { WindowStep } from '../../../sampling/orders/window.js';
import { sampleScene } from '../../../sampling/scenes.js';
import { variations } from '../../../sampling/variations.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import type { Photo } from './photo.js';
import type { DrawnSize } from './size.js';

/** Called with cells (in rows of the grid) whose codes were drawn together, and with their codes `[B, K]`. */
export type OnCells = (cells: readonly number[], tokens: Tensor) => void;

/** A batch to draw. */
export interface Batch {
  /** Rows of what the condition encodes. */
  rows: ConditionInput;
  /** Seed of each image; null: the generator's numbers are taken. */
  seeds: readonly number[] | null;
  onCells: OnCells;
}

/** Images `[B, C, H, W]`, and as they were decoded, where given pixels replace some of them. */
export interface DrawnImages {
  images: Tensor;
  decoded?: Tensor;
}

export type Draw = (batch: Batch) => DrawnImages;

/** Calls {@link OnCells} for a model that draws its own grid, in its reading order. */
function tokensByCell({ permuter }: TwoStage, area: number, onCells: OnCells) {
  const order = torch.scope(() =>
    permuter
      .forward(torch.arange(area, { dtype: 'int64' }).view([1, area]))
      .flatten()
      .tolist(),
  );
  return (step: number, tokens: Tensor) => onCells([Number((order as number[])[step])], tokens);
}

const cellsOf =
  ([, width]: readonly [number, number], onCells: OnCells) =>
  ({ cells, tokens }: WindowStep) =>
    onCells(
      cells.map(({ row, column }) => row * width + column),
      tokens,
    );

/**
 * Returns a function that draws batches of images, and keeps what they need until it is disposed of.
 *
 * @param photo image to complete or to vary; null: images are drawn whole
 */
export function drawer(model: TwoStage, area: DrawnSize, pick: DrawOptions, photo: Photo | null) {
  const sampler = new ImageSampler(model, pick);
  const isScene = model.condStageModel instanceof LayoutStage && area.window !== null;
  const way = photo
    ? photo.share === null
      ? completing(photo)
      : varying(photo.image, photo.share)
    : isScene
      ? scene
      : area.window === null
        ? own
        : windowed;
  const draw: Draw = (batch) => unrecorded(() => way({ model, area, pick, sampler }, batch));
  return { draw, [Symbol.dispose]: () => sampler.dispose() };
}

/** Everything that a way of drawing uses. */
interface Drawer {
  model: TwoStage;
  area: DrawnSize;
  pick: DrawOptions;
  sampler: ImageSampler;
}

type Way = (drawer: Drawer, batch: Batch) => DrawnImages;

const own: Way = ({ model, area: { grid }, sampler }, { rows, seeds, onCells }) => {
  const onToken = tokensByCell(model, grid[0] * grid[1], onCells);
  return { images: sampler.sample(conditionOf(model, rows), { grid, seeds, onToken }) };
};

const windowed: Way = ({ model, area, pick }, { rows, seeds, onCells }) => {
  const { grid } = area;
  const how = { ...pick, seeds, grid, window: area.window!, onStep: cellsOf(grid, onCells) };
  return { images: sampleImages(model, partsOf(model, rows), how) };
};

const scene: Way = ({ model, area: { grid, window }, pick }, { rows, seeds, onCells }) => {
  const { builder } = model.condStageModel as LayoutStage;
  const how = { ...pick, seeds, grid, window: window!, count: countOf(rows), onStep: cellsOf(grid, onCells) };
  return {
    images: model.firstStageModel.decodeIndices(sampleScene(model, objectsOf(rows as Tensor), builder, how)),
  };
};

const completing =
  ({ image, mask, canvas }: Photo): Way =>
  ({ model, area, pick }, { rows, seeds, onCells }) => {
    const { grid, window } = area;
    const { device } = model.transformer.parameters()[0]!;
    const images = image.to(device).expand([countOf(rows), ...image.shape.slice(1)]);
    return completeImages(model, images, mask?.to(device) ?? null, {
      ...pick,
      seeds,
      condition: partsOf(model, rows),
      ...(canvas && { canvas }),
      ...(window !== null && { window }),
      onToken: tokensByCell(model, grid[0] * grid[1], onCells),
      onStep: cellsOf(grid, onCells),
    });
  };

const varying =
  (image: Tensor, share: number): Way =>
  ({ model, area: { grid }, pick }, { rows, seeds, onCells }) => {
    const given = model.encodeToZ(image.to(model.transformer.parameters()[0]!.device)).indices;
    const tokens = variations(model, given.repeat([countOf(rows), 1]), {
      ...pick,
      seeds,
      share,
      grid,
      condition: conditionOf(model, rows),
      onToken: tokensByCell(model, grid[0] * grid[1], onCells),
    });
    return { images: model.decodeToImg(tokens, grid) };
  };

/** Returns the objects of the first of layouts `[B, 1 + n, 5]`. */
function objectsOf(layouts: Tensor): ObjectAnnotation[] {
  const [, ...objects] = layouts.select(0, 0).tolist() as number[][];
  return objects.map(([categoryNo, x, y, width, height]) => ({
    categoryNo: categoryNo!,
    bbox: [x!, y!, width!, height!],
  }));
}

/** Returns the encoded condition of rows: tokens `[B, N]`, or vectors. */
const conditionOf = (model: TwoStage, rows: ConditionInput): Tensor =>
  model.encodeToC(onDevice(model, rows)).indices;

/** Returns the same of each condition, if there are several. */
const partsOf = (model: TwoStage, rows: ConditionInput): Tensor | Tensor[] =>
  model.condition instanceof Several
    ? model.condition.encodeParts(onDevice(model, rows))
    : conditionOf(model, rows);

function onDevice({ transformer }: TwoStage, rows: ConditionInput): ConditionInput {
  const { device } = transformer.parameters()[0]!;
  return rows instanceof torch.Tensor ? rows.to(device) : rows.map((row) => row.to(device));
}

const countOf = (rows: ConditionInput): number => (rows instanceof torch.Tensor ? rows : rows[0]!).shape[0]!;
