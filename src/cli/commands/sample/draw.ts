/** Draws batches of images for `sample`: of the trained size, or larger ones through a window. */
import { LayoutStage } from '../../../models/conditions/layout/stage.js';
import type { ObjectAnnotation } from '../../../models/conditions/layout/annotation.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import type { DrawOptions } from '../../../sampling/engines/token-memory.js';
import { ImageSampler, sampleImages } from '../../../sampling/images.js';
import type { WindowStep } from '../../../sampling/orders/window.js';
import { sampleScene } from '../../../sampling/scenes.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';
import type { DrawnSize } from './size.js';

/** Is told the cells (in rows of the grid) whose codes were drawn together, and their codes `[B, K]`. */
export type OnCells = (cells: readonly number[], tokens: Tensor) => void;

/** Draws a batch: images `[B, C, H, W]` for rows of what the condition encodes. */
export type Draw = (rows: Tensor, onCells: OnCells) => Tensor;

/** Tells {@link OnCells} of a model that draws its own grid, in its reading order. */
function tokensByCell({ permuter }: Net2NetTransformer, area: number, onCells: OnCells) {
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

/** Returns the function that draws batches of images, and keeps what is needed for them until it is disposed of. */
export function drawer(model: Net2NetTransformer, { grid, window }: DrawnSize, pick: DrawOptions) {
  const sampler = new ImageSampler(model, pick);
  const area = grid[0] * grid[1];
  const own: Draw = (rows, onCells) =>
    sampler.sample(conditionOf(model, rows), { grid, onToken: tokensByCell(model, area, onCells) });
  const windowed: Draw = (rows, onCells) => {
    const condition = conditionOf(model, rows);
    const length = condition.shape[1]!;
    if (window !== null && length !== area && rows.ndim === 4) {
      throw new UsageError(
        `the map has ${length} tokens for ${area} codes, but windows need one for each: leave --size out`,
      );
    }
    return sampleImages(model, condition, { ...pick, grid, window: window!, onStep: cellsOf(grid, onCells) });
  };
  const scene: Draw = (rows, onCells) => {
    const { builder } = model.condStageModel as LayoutStage;
    const count = rows.shape[0]!;
    const how = { ...pick, grid, window: window!, count, onStep: cellsOf(grid, onCells) };
    return model.firstStageModel.decodeIndices(sampleScene(model, objectsOf(rows), builder, how));
  };
  const isScene = model.condStageModel instanceof LayoutStage;
  const draw = window === null ? own : isScene ? scene : windowed;
  return { draw, [Symbol.dispose]: () => sampler.dispose() };
}

/** Returns the objects of the first of layouts `[B, 1 + n, 5]`. */
function objectsOf(layouts: Tensor): ObjectAnnotation[] {
  const [, ...objects] = layouts.select(0, 0).tolist() as number[][];
  return objects.map(([categoryNo, x, y, width, height]) => ({
    categoryNo: categoryNo!,
    bbox: [x!, y!, width!, height!],
  }));
}

/** Returns the condition tokens `[B, N]` of rows. */
function conditionOf(model: Net2NetTransformer, rows: Tensor): Tensor {
  return model.encodeToC(rows.to(model.transformer.posEmb.device)).indices;
}
