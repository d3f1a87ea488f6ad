/** How many pixels a code stands for, and what follows from it: the only place that knows. */
import { backboneSchema } from './blocks.js';

/** Pixels a side of one position of the latent, from the number of levels: each after the first halves the image. */
export function strideOf(levels: number): number {
  return 2 ** Math.max(0, levels - 1);
}

/** What the `params` of a first stage, as a configuration file has them, say of its codes. */
export interface CodesOfConfig {
  /** Codes of the codebook. */
  readonly nEmbed: number;
  /** Distinct indices: the codes in use. */
  readonly nCodes: number;
  /** Positions a side of images of a size. */
  codesPerSide(size: number): number;
}

/** Reads of a first stage's `params` what its codes are, without building it. */
export function codesOfConfig(params: Readonly<Record<string, unknown>>): CodesOfConfig {
  const { ch_mult: chMult } = params['ddconfig'] as { ch_mult?: readonly number[] };
  const { quantizer = { params } } = params as { quantizer?: { params?: object } };
  const { n_embed: nEmbed, remap } = quantizer.params as {
    n_embed: number;
    remap?: readonly number[] | null;
  };
  const stride = strideOf((chMult ?? backboneSchema.chMult.fallback!).length);
  return { nEmbed, nCodes: remap?.length ?? nEmbed, codesPerSide: (size) => Math.floor(size / stride) };
}
