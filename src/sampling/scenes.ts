/** Sampling of scenes from layouts, at the trained size and beyond. */
import type { ObjectAnnotation } from '../models/conditions/layout/annotation.js';
import type { ObjectsConditionalBuilder } from '../models/conditions/layout/builder.js';
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { drawInWindows, planWindows } from './orders/window.js';
import type { WindowCell, WindowCondition } from './orders/window.js';
import { checkCount, readDraws, windowSide } from './window-options.js';
import type { WindowOptions } from './window-options.js';

export interface SampleSceneOptions extends WindowOptions {
  /** Code grid `[h, w]`, at least one window in both directions. Default: one window, the trained size. */
  grid?: readonly [number, number];
  /** Number of images. Default 1. */
  count?: number;
}

/**
 * Samples code grids `[count, h, w]` int64 of a scene with the given objects (arXiv 2105.06458). Each code is drawn from a
 * window of the trained size around it, and the layout that the model sees is that of the window: objects in it, and the
 * window as the crop. Windows lie as in the reference's script, one code further down and right than those of
 * `sampleWindowed` where their side is even. Unlike there, objects are shuffled once and not for each code.
 *
 * Synchronizes with a GPU as `sampleWindowed` does.
 *
 * @throws RangeError before any work if grid, window, layout and the model's block or vocabulary do not fit each other;
 * LogitsError with the number of the token whose logits were NaN or infinite
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const builder = new ObjectsBoundingBoxConditionalBuilder({
 *   noObjectClasses: 80, noMaxObjects: 30, noTokens: 8192, encodeCrop: true, useGroupParameter: true,
 * });
 * const objects = [{ categoryNo: 17, bbox: [0.1, 0.5, 0.3, 0.4] as const }];
 * const codes = sampleScene(net, objects, builder, { grid: [16, 32], topK: 100 }); // [1, 16, 32]
 * const images = torch.noGrad(() => net.firstStageModel.decodeIndices(codes)); // [1, 3, 256, 512]
 * ```
 */
export function sampleScene(
  net: TwoStage,
  annotations: readonly ObjectAnnotation[],
  builder: ObjectsConditionalBuilder<unknown>,
  { grid: asked, window: side, count = 1, onStep, ...given }: SampleSceneOptions = {},
): Tensor {
  const { transformer: prior } = net;
  checkCount('sampleScene', 'count', count);
  const draws = readDraws('sampleScene', net, count, given);
  const { noTokens } = builder.config;
  if (noTokens > prior.vocabSize) {
    throw new RangeError(
      `sampleScene: the layout has ${noTokens} tokens, but the model's vocabulary has ${prior.vocabSize}; build the layout ` +
        'with the noTokens that the model was trained with.',
    );
  }
  const window = windowSide(
    'sampleScene',
    prior,
    { grids: 0, tokens: builder.embeddingDim },
    asked ?? null,
    side,
  );
  const grid = asked ?? [window, window];
  return torch.noGrad(() =>
    torch.scope(() => {
      const { device } = prior.parameters()[0]!;
      const { wavefront, most, cacheBytes, pick, noiseOn } = draws;
      const before = Math.floor((window - 1) / 2);
      const plan = planWindows({ grid, window, before, given: () => false, wavefront, most });
      const arranged = builder.arrange(annotations);
      const layoutOf = ({ top, left }: WindowCell) =>
        builder.tokensIn(arranged, [left / grid[1], top / grid[0], window / grid[1], window / grid[0]]);
      const request = {
        condition: { length: builder.embeddingDim, of: layouts(plan.flat(), layoutOf, count, device) },
        start: torch.zeros([count, ...grid], { dtype: 'int64', device }),
        kept: null,
        plan,
        window,
        wholeWindow: false,
        cacheBytes,
        noise: noiseOn(device),
        dropped: (given: Tensor) => net.dropped(given),
        onStep,
      };
      return drawInWindows('sampleScene', prior, request, pick);
    }),
  );
}

/** Builds the layout of each window once, and returns the function that selects those of a step's cells. */
function layouts(
  cells: readonly WindowCell[],
  layoutOf: (cell: WindowCell) => Tensor,
  count: number,
  device: torch.Device,
): WindowCondition['of'] {
  const cornerOf = ({ top, left }: WindowCell) => `${top}, ${left}`;
  const corners = new Map(cells.map((cell) => [cornerOf(cell), cell]));
  const rows = new Map([...corners.keys()].map((corner, row) => [corner, BigInt(row)]));
  const table = torch.stack([...corners.values()].map(layoutOf)).to(device); // [corners, N]
  return (together) => {
    const index = BigInt64Array.from(together, (cell) => rows.get(cornerOf(cell))!);
    return table.indexSelect(0, torch.tensor(index, { device })).repeat([count, 1]);
  };
}
