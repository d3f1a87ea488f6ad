import { diffusers } from './diffusers.js';
import type { KeyMap } from './key-map.js';
import { latentDiffusion, latentDiffusionAverage } from './latent-diffusion.js';
import { llamaGen } from './llamagen.js';

export { withKeys } from './key-map.js';
export type { KeyMap, KeyTable } from './key-map.js';
export { diffusers, latentDiffusion, latentDiffusionAverage, llamaGen };

/** All weight layouts that can be read and written in addition to the reference's. */
export const keyMaps: readonly KeyMap[] = [llamaGen, diffusers, latentDiffusion, latentDiffusionAverage];

/**
 * Returns the layout of the keys; undefined for the reference's layout and for unknown ones.
 *
 * @example
 * ```ts
 * using checkpoint = await loadCheckpoint('vq_ds16_c2i.pt');
 * console.log(recogniseKeys(checkpoint.tensors.keys())?.name); // llamagen
 * ```
 */
export function recogniseKeys(keys: Iterable<string>): KeyMap | undefined {
  const known = new Set(keys);
  return keyMaps.find((map) => map.recognises(known));
}
