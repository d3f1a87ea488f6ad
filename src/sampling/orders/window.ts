/**
 * Draws each cell of a code grid from a window of the trained size around it, so that the grid can have any size (paper,
 * section 3.2 "sliding attention window").
 */
import type { Prior } from '../../models/priors/prior.js';
import { inEvaluation } from '../../torch/nn/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { CellNoise } from '../cell-noise.js';
import { guidanceScales, guidedLogits, isGuided } from '../guidance.js';
import { windowEngine } from '../engines/standing-windows.js';
import { rowsFor, type DrawOptions } from '../engines/token-memory.js';
import { checkPeaks } from '../logits-error.js';
import { drawToken } from '../logits.js';
import { looksBack, seenIds } from '../repetition.js';

/** A cell of the code grid, and the first row and column of the window that it is drawn from. */
export interface WindowCell {
  row: number;
  column: number;
  top: number;
  left: number;
}

/** A step of `sampleWindowed`. Its tensors are valid during the call. */
export interface WindowStep {
  /** Number of the step, from 0. */
  step: number;
  steps: number;
  /** The K cells drawn together, in reading order. */
  cells: readonly WindowCell[];
  /** Tokens fed to the transformer under the condition, an image's K windows after the other: `[B·K, L]`. */
  fed: Tensor;
  /** Logits of the cells, guided if asked, before temperature and filters: `[B·K, V]`. */
  logits: Tensor;
  /** Tokens of the cells: `[B, K]`. */
  tokens: Tensor;
}

export interface WindowPlan {
  grid: readonly [number, number];
  window: number;
  /** Rows above and columns left of a cell in its window, as far as the grid reaches. Default: half of the window. */
  before?: number;
  /** True if the cell with this number in reading order is not drawn. */
  given: (cell: number) => boolean;
  /** If true, cells are drawn together as early as the cells that their windows feed are known. */
  wavefront: boolean;
  /** Largest number of cells in a step. */
  most: number;
}

/**
 * Plans the steps of a grid. In a wavefront a cell comes right after the last of the cells that it is drawn from: the
 * rows above in its window, over the whole width of the window, and its own row to its left. Cells after it in the window
 * do not count, because attention is causal.
 */
export function planWindows({
  grid,
  window,
  before = Math.floor(window / 2),
  given,
  wavefront,
  most,
}: WindowPlan): WindowCell[][] {
  const [height, width] = grid;
  /** Returns the first row of the window of a row. The same for columns. */
  const startOf = (at: number, size: number) => Math.min(Math.max(at - before, 0), size - window);
  const steps: WindowCell[][] = [];
  const known = new Int32Array(height * width); // number of steps after which each cell is known
  for (let row = 0; row < height; row++) {
    const top = startOf(row, height);
    for (let column = 0; column < width; column++) {
      const cell = row * width + column;
      if (given(cell)) continue;
      const left = startOf(column, width);
      let step = steps.length;
      if (wavefront) {
        step = 0;
        for (let above = top; above <= row; above++) {
          const end = above < row ? left + window : column;
          for (let i = left; i < end; i++) step = Math.max(step, known[above * width + i]!);
        }
      }
      (steps[step] ??= []).push({ row, column, top, left });
      known[cell] = step + 1;
    }
  }
  return steps.flatMap((cells) =>
    Array.from({ length: Math.ceil(cells.length / most) }, (_, i) => cells.slice(i * most, (i + 1) * most)),
  );
}

/** Tokens that are fed before the codes of a window. */
export interface WindowCondition {
  /** Number of tokens. */
  length: number;
  /**
   * Returns the tokens before the windows of K cells, an image's after the other: `[B·K, length]`.
   *
   * @param places places in the grid of the windows' codes, `[K, window²]`
   */
  of(cells: readonly WindowCell[], places: Tensor): Tensor;
}

export interface WindowRequest {
  condition: WindowCondition;
  /** Tokens to start with, `[B, H, W]`: those of cells that are not drawn are kept. */
  start: Tensor;
  /** Cells that are not drawn although the plan contains them, bool `[B, H·W]`; null: none. */
  kept: Tensor | null;
  plan: readonly (readonly WindowCell[])[];
  window: number;
  /** If true, feed the whole window as the reference does, instead of the part before the cell. */
  wholeWindow: boolean;
  /** Largest memory for keys and values of windows that stand still, in bytes; unused where whole windows are fed. */
  cacheBytes: number;
  /** Noise with which cells are drawn; null if the most likely tokens are taken. */
  noise: CellNoise | null;
  /** Returns the tokens of a dropped condition for those of a condition; called only with guidance. */
  dropped(condition: Tensor): Tensor | null;
  onStep?: ((step: WindowStep) => void) | undefined;
}

/**
 * Draws the planned cells and returns the grid `[B, H, W]` int64. Runs in evaluation mode without gradients.
 * Synchronizes with a GPU once, at the end.
 * @throws LogitsError naming the caller and the number of the token whose logits were NaN or infinite
 */
export function drawInWindows(
  caller: string,
  prior: Prior,
  { condition, start, kept, plan, window, wholeWindow, cacheBytes, noise, dropped, onStep }: WindowRequest,
  pick: DrawOptions,
): Tensor {
  const [batch, height, width] = start.shape as [number, number, number];
  const { device } = start;
  const onCpu = device === 'cpu';
  const area = window * window;
  const placeOf = ({ row, column, top, left }: WindowCell) => (row - top) * window + column - left;
  return inEvaluation(prior, () =>
    torch.noGrad(() =>
      torch.scope(() => {
        using engine = windowEngine(prior, {
          plan,
          lengthOf: (cell) => condition.length + placeOf(cell),
          rows: rowsFor(batch, pick),
          cacheBytes: wholeWindow ? 0 : cacheBytes,
        });
        const tokens = start.flatten(1).clone(); // [B, H·W]
        const cells = plan.flat();
        const each = (value: (cell: WindowCell) => number) =>
          torch.tensor(
            BigInt64Array.from(cells, (cell) => BigInt(value(cell))),
            { device },
          );
        const at = each(({ row, column }) => row * width + column);
        const corners = each(({ top, left }) => top * width + left).unsqueeze(1); // [cells, 1]
        const places = each(placeOf);
        const firstCode = torch.zeros([1], { dtype: 'int64', device });
        const side = torch.arange(window, { dtype: 'int64', device });
        const offsets = side.mul(width).unsqueeze(1).add(side).flatten(); // [window²]
        const guided = isGuided(pick) ? Float64Array.from(guidanceScales(pick, height * width)) : null;
        const scales = guided && torch.tensor(guided).to(device); // [H·W]
        const peaks = torch.zeros([batch, cells.length], { dtype: 'float64', device });
        let first = 0;
        for (const [step, together] of plan.entries()) {
          const count = together.length; // K
          torch.scope(() => {
            const now = at.narrow(0, first, count); // [K]
            const windows = corners.narrow(0, first, count).add(offsets); // [K, window²]
            /** Reads the first codes of each window: [B·K, length]. */
            const read = (length: number) =>
              tokens.indexSelect(1, windows.narrow(1, 0, length).flatten()).view([batch * count, length]);
            // Where lengths differ, what follows a shorter one's place is not attended to.
            const length = wholeWindow ? area - 1 : Math.max(...together.map(placeOf));
            const [given, codes] = [condition.of(together, windows), read(length)];
            const fed = torch.cat([given, codes], 1); // [B·K, L]
            let logits: Tensor; // [B·K, V]
            if (scales) {
              const both = engine.logits(torch.cat([fed, torch.cat([dropped(given)!, codes], 1)])); // [2B·K, V]
              logits = guidedLogits(both, scales.indexSelect(0, now).repeat([batch]).unsqueeze(1));
            } else logits = engine.logits(fed);
            const before = looksBack(pick)
              ? seenIds(codes, {
                  first: firstCode,
                  at: places.narrow(0, first, count).repeat([batch]).unsqueeze(1), // [B·K, 1]
                  window: pick.repetitionWindow ?? null,
                  vocabulary: prior.vocabSize,
                })
              : null; // [B·K, V]
            const drawn = drawToken(logits, pick, noise?.(now).flatten(0, 1) ?? null, before); // [B·K, 1]
            let token = drawn.token.view([batch, count]);
            if (kept) token = torch.where(kept.indexSelect(1, now), tokens.indexSelect(1, now), token);
            tokens.indexCopy_(1, now, token);
            const peak = peaks.narrow(1, first, count).copy_(drawn.peak.view([batch, count]));
            // Reading a value is free on devices that do not need a synchronization.
            if (onCpu) checkPeaks(peak, caller, first);
            onStep?.({ step, steps: plan.length, cells: together, fed, logits, tokens: token });
          });
          first += count;
        }
        if (!onCpu) checkPeaks(peaks, caller);
        return tokens.view(start.shape);
      }),
    ),
  );
}
