/** Which share of the codes the last positions chose. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Moves the indices in `window` [W] along and appends `codes` [N], of which the last W stay. */
export function pushCodes(window: Tensor, codes: Tensor): void {
  const size = window.numel();
  torch.scope(() => window.copy_(torch.cat([window, codes.flatten()]).narrow(0, codes.numel(), size)));
}

/** Returns the number of distinct codes in `window` [W], divided by the number of codes. */
export function shareInWindow(window: Tensor, nEmbed: number): number {
  const seen = torch.scope(() =>
    Number(torch.zeros([nEmbed]).to(window.device).indexFill(0, window, 1).sum().item()),
  );
  return seen / nEmbed;
}
