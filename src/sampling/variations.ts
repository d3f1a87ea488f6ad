/** Variations of images: some of their tokens are drawn again. */
import type { TwoStage } from '../models/two-stage.js';
import { inEvaluation } from '../torch/nn/index.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { codeLogits } from './logits.js';
import { conditionFor, redrawTokens, type RedrawOptions } from './redraw.js';

export interface VariationsOptions extends RedrawOptions {
  /** Condition tokens `[B, N]`. Default: the start token of an unconditional model. */
  condition?: Tensor;
  /** Code grid `[h, w]`. Default: square. */
  grid?: readonly [number, number];
  /**
   * Share of the cells (of the mask, if there is one) that are drawn again: those whose tokens are the least likely ones, by the
   * model's own probabilities given all tokens before. At least one. Default: all of the mask.
   */
  share?: number;
  /** True where cells may be drawn again: `[h, w]` for all images or `[B, h, w]`. Default: everywhere. */
  mask?: Tensor | null;
  /** True where cells stay as they are, in the same shapes. Default: nowhere. */
  locked?: Tensor | null;
}

/**
 * Draws some tokens `[B, L]` (in reading order, as `encodeToZ` returns them) again and returns all of them: those of a region,
 * or a share of the least likely ones. Each is drawn after all that come before it, so that those after it do not influence it.
 *
 * @throws TypeError without share and mask, or without a condition that the model needs; ShapeError for cells that are not the
 * grid's; RangeError for another share, or a share of a grid that does not fit the model's block
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const { indices: tokens } = net.encodeToZ(torch.zeros([1, 3, 64, 64])); // [1, 256]
 * const locked = torch.arange(16).lt(4).unsqueeze(1).expand([16, 16]); // the upper quarter stays
 * const varied = variations(net, tokens, { share: 0.3, locked, topK: 100 }); // [1, 256]
 * const images = net.decodeToImg(varied);
 * ```
 */
export function variations(
  net: TwoStage,
  tokens: Tensor,
  { condition, grid: asked, share, mask = null, locked = null, ...options }: VariationsOptions,
): Tensor {
  const [batch, area] = tokens.shape as [number, number];
  const side = Math.round(Math.sqrt(area));
  const grid = asked ?? [side, side];
  checkRequest(tokens, grid, { share, mask, locked });
  return torch.noGrad(() =>
    torch.scope(() => {
      const { device } = tokens;
      const start = conditionFor('variations', net, condition, tokens);
      const inOrder = (cells: Tensor) =>
        net.permuter
          .forward(
            cells
              .to(device)
              .long()
              .expand([batch, ...grid])
              .reshape([batch, area]),
          )
          .bool();
      let redrawn = mask ? inOrder(mask.ne(0)) : torch.ones([batch, area], { dtype: 'bool', device });
      if (locked) redrawn = redrawn.logicalAnd(inOrder(locked.ne(0)).logicalNot());
      if (share !== undefined)
        redrawn = leastLikely(tokenLogProbabilities(net, tokens, start), redrawn, share);
      return redrawTokens(net, start, tokens, redrawn, grid, options);
    }),
  );
}

/**
 * Computes the log-probability of each token `[B, L]` (in reading order) given the condition tokens `[B, N]` and all tokens
 * before it, in one forward: `[B, L]` in at least float32.
 * @throws RangeError if they do not fit the model's block
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const images = torch.zeros([2, 3, 64, 64]);
 * const { indices: tokens } = net.encodeToZ(images);
 * const logs = tokenLogProbabilities(net, tokens, net.encodeToC(images).indices); // of the tokens' shape
 * ```
 */
export function tokenLogProbabilities(net: TwoStage, tokens: Tensor, condition: Tensor): Tensor {
  const { transformer: prior } = net;
  const [before, count] = [condition.shape[1]!, tokens.shape[1]!];
  if (before + count - 1 > prior.blockSize) {
    throw new RangeError(
      `the probabilities of ${count} tokens after ${before} condition tokens do not fit the model's block of ${prior.blockSize} ` +
        'positions; for variations of larger grids, pass a mask without a share.',
    );
  }
  return torch.noGrad(() =>
    torch.scope(() => {
      const fed = torch.cat([condition, tokens.narrow(1, 0, count - 1)], 1);
      const logits = inEvaluation(prior, () => prior.forward(fed)).narrow(1, before - 1, count); // [B, L, V]
      const whole = logits.dtype === 'float64' ? logits : logits.float();
      return codeLogits(whole, prior.nCodes).logSoftmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1);
    }),
  );
}

/** Returns the share of each row's candidates `[B, L]` with the smallest values, at least one where there are any. */
function leastLikely(values: Tensor, candidates: Tensor, share: number): Tensor {
  const ordered = values.maskedFill(candidates.logicalNot(), Infinity).argsort(-1); // [B, L]
  const counts = candidates.sum([-1], true).mul(share).round().clamp(1); // [B, 1]
  const first = torch.arange(values.shape[1]!, { device: values.device }).lt(counts); // [B, L]
  return candidates.zerosLike().scatter(-1, ordered, first).logicalAnd(candidates);
}

interface Request {
  share: number | undefined;
  mask: Tensor | null;
  locked: Tensor | null;
}

function checkRequest(
  tokens: Tensor,
  [height, width]: readonly [number, number],
  { share, ...cells }: Request,
): void {
  const [batch, area] = tokens.shape as [number, number];
  if (tokens.ndim !== 2 || height * width !== area) {
    throw new torch.ShapeError(
      `variations: tokens of shape [${tokens.shape.join(', ')}] do not fill a ${height}×${width} grid; pass the grid as [height, width].`,
    );
  }
  if (share === undefined && !cells.mask) {
    throw new TypeError('variations: pass a share of the tokens to draw again, or a mask of cells.');
  }
  if (share !== undefined && !(share > 0 && share <= 1)) {
    throw new RangeError(`variations: share must be a number above 0 and at most 1, got ${share}.`);
  }
  for (const [name, of] of Object.entries(cells)) {
    const wanted = [
      [height, width],
      [batch, height, width],
    ].map((shape) => shape.join(', '));
    if (!of || wanted.includes(of.shape.join(', '))) continue;
    throw new torch.ShapeError(
      `variations: ${name} must be [${wanted.join('] or [')}], the cells of the grid, got [${of.shape.join(', ')}].`,
    );
  }
}
