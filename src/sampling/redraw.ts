/** Draws some cells of a code grid again, and keeps the others. */
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { sampleTokens, type SampleTokensOptions } from './images.js';
import type { WindowStep } from './orders/window.js';
import { joinedTokens, onGrid, type GridCondition } from './window-condition.js';
import { sampleWindowed } from './windows.js';

export interface RedrawOptions extends Omit<SampleTokensOptions, 'prefix' | 'known' | 'onToken'> {
  /**
   * Draw each code from a window of this side around it; see {@link sampleWindowed}. Default: only if the grid does not fit
   * the model's block, with the largest window that fits.
   */
  window?: number;
  /** Called after every token of the model's own grid with its number in reading order and the tokens `[B, 1]`. */
  onToken?: (number: number, tokens: Tensor) => void;
  /** Called after every step where codes are drawn from windows, as by {@link sampleWindowed}. */
  onStep?: (step: WindowStep) => void;
}

/**
 * Draws the tokens `[B, L]` (in reading order) of a grid `[h, w]` again where the mask `[B, L]` is true, one after another
 * and each after all that come before it, and returns all of them.
 */
export function redrawTokens(
  net: TwoStage,
  condition: GridCondition,
  tokens: Tensor,
  mask: Tensor,
  grid: readonly [number, number],
  { window, onToken, onStep, ...options }: RedrawOptions,
): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const [batch, area] = tokens.shape as [number, number];
      const known = mask.logicalNot();
      const before = joinedTokens(condition);
      if (window !== undefined || before.shape[1]! + area - 1 > net.transformer.blockSize) {
        const inGrid = (of: Tensor) => of.view([batch, ...grid]);
        const { sampler, seeds } = options;
        return sampleWindowed(net, onGrid(condition, grid), {
          ...(sampler?.pick ?? options),
          seeds: seeds ?? null,
          completion: inGrid(tokens),
          mask: inGrid(known),
          ...(window !== undefined && { window }),
          ...(onStep && { onStep }),
        }).flatten(1);
      }
      // Known tokens before the first that is drawn are fed at once.
      const first = (mask.any(0).tolist() as boolean[]).indexOf(true);
      if (first < 0) return tokens.clone();
      const rest = (of: Tensor) => of.narrow(1, first, area - first);
      return sampleTokens(net, before, area - first, {
        ...options,
        prefix: first > 0 ? tokens.narrow(1, 0, first) : null,
        known: { tokens: rest(tokens), mask: rest(known) },
        ...(onToken && { onToken: (step, drawn) => onToken(first + step, drawn) }),
      });
    }),
  );
}

/**
 * Returns the condition: that given, or the start token of an unconditional model.
 * @throws TypeError if none are given and the model needs them
 */
export function conditionFor<C extends GridCondition>(
  caller: string,
  net: TwoStage,
  condition: C | undefined,
  { shape, device }: Tensor,
): C | Tensor {
  if (condition) return condition;
  if (net.unconditional)
    return net.encodeToC(torch.zeros([shape[0]!, 1], { dtype: 'int64', device })).indices;
  throw new TypeError(
    `${caller}: the model draws for ${net.condition.choices([])}; pass the tokens of one as condition: net.encodeToC(…).indices.`,
  );
}
