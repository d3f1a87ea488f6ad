/** Activation checkpointing (arXiv 1604.06174): blocks keep their input for backward, which computes the rest again. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import { AttnBlock, Downsample, ResnetBlock, Upsample } from '../../models/autoencoder/blocks.js';
import { Block } from '../../models/priors/gpt.js';
import type { Prior } from '../../models/priors/prior.js';

/** Modules that are computed again as a whole; none of them contains another. */
const blocks = [ResnetBlock, AttnBlock, Downsample, Upsample, Block];

/**
 * Lets the blocks of a network (residual blocks, attention, resampling, blocks of a transformer) keep only their inputs
 * for backward, which computes each block a second time, with the same random numbers. Results and gradients are the
 * same, bit for bit. Calls without gradients, and with a cache, are not affected.
 *
 * @returns the number of blocks
 *
 * @example
 * ```ts
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 });
 * const count = checkpointBlocks(model); // 44
 * ```
 */
export function checkpointBlocks(network: nn.Module): number {
  const found = network.modules().filter((module) => blocks.some((kind) => module instanceof kind));
  for (const block of found) checkpointBlock(block);
  return found.length;
}

/** Lets the blocks that a prior names keep only their inputs, as `checkpointBlocks` does for those of the package's networks. */
export function checkpointPrior({ blocks: own = [] }: Prior): void {
  for (const block of own) checkpointBlock(block);
}

function checkpointBlock(block: nn.Module): void {
  const forward = block.forward as (x: Tensor, ...rest: unknown[]) => Tensor;
  const parameters = block.parameters();
  block.forward = (x: Tensor, ...rest: unknown[]): Tensor => {
    if (!torch.isGradEnabled()) return forward(x, ...rest);
    // Recorded also the first time: without gradients, a block may use other kernels, which round differently.
    const compute = (input: Tensor) =>
      torch.isGradEnabled()
        ? forward(input, ...rest)
        : torch.scope(() => torch.enableGrad(() => forward(input, ...rest)).detach());
    return torch.checkpoint(compute, [x], parameters);
  };
}
