import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';

/** Returns the outer product of a filter's taps with themselves, with the sum 1: [taps, taps]. */
export function blurKernel(taps: readonly number[]): Tensor {
  return torch.scope(() => {
    const line = torch.tensor([...taps]);
    const kernel = torch.outer(line, line);
    return kernel.div(kernel.sum());
  });
}

/** Filters each channel of x [B, C, H, W] by a kernel [h, w], and keeps every `stride`-th position. */
export function blur(x: Tensor, kernel: Tensor, { stride = 1, padding = 0 } = {}): Tensor {
  const channels = x.shape[1]!;
  const weight = kernel.to(x.dtype).expand([channels, 1, -1, -1]);
  return F.conv2d(x, weight, { stride, padding, groups: channels });
}
