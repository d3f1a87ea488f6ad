/** Parts of a first stage that a run keeps as they are. */
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type * as nn from '../../../torch/nn/index.js';
import type { FrozenPart } from '../../../runs/setting-kinds.js';

/** Modules of each part; the convolution before the quantizer belongs to the encoder. */
const modulesOf: Record<FrozenPart, (model: FirstStage) => nn.Module[]> = {
  encoder: ({ encoder, quantConv }) => [encoder, quantConv],
  quantizer: ({ quantize }) => [quantize],
};

/** Returns the modules of parts that a configuration freezes. */
export const frozenModules = (model: FirstStage, parts: readonly FrozenPart[]): nn.Module[] =>
  parts.flatMap((part) => modulesOf[part](model));

/**
 * Puts modules in evaluation mode, so that neither dropout acts nor averages move, and takes their parameters out of
 * autograd. Call it after `model.train()`.
 */
export function freeze(modules: readonly nn.Module[]): void {
  for (const module of modules) module.eval().requiresGrad_(false);
}
