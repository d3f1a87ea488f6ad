/** The number of pixels per code and everything derived from it; no other file computes it. */
import { quantizers } from '../quantizers/index.js';
import { readUsedCodes, tokensOf, type UnknownIndex } from '../quantizers/remap.js';
import { backboneSchema } from './blocks.js';

/** Returns the pixels per side of one latent position. Each level after the first halves the image. */
export function strideOf(levels: number): number {
  return 2 ** Math.max(0, levels - 1);
}

/** Properties of the codes of a first stage, derived from its `params` in a configuration file. */
export interface CodesOfConfig {
  /** Number of codes in the codebook. */
  readonly nEmbed: number;
  /** Number of distinct indices, that is, of codes in use. */
  readonly nCodes: number;
  /** Returns the number of latent positions per side for images of the given size. */
  codesPerSide(size: number): number;
}

/** Derives the properties of the codes from a first stage's `params`, without building the model. */
export function codesOfConfig(params: Readonly<Record<string, unknown>>): CodesOfConfig {
  const { ch_mult: chMult } = params['ddconfig'] as { ch_mult?: readonly number[] };
  const { quantizer = { target: '', params } } = params as {
    quantizer?: { target?: string; params?: Readonly<Record<string, unknown>> };
  };
  const own = quantizer.params as {
    n_embed: number;
    remap?: readonly number[] | string | null;
    unknown_index?: UnknownIndex;
  };
  const known = quantizers[quantizer.target?.split('.').at(-1) ?? ''];
  const nEmbed = known?.codesIn?.(quantizer.params ?? {}) ?? own.n_embed;
  const used = typeof own.remap === 'string' ? readUsedCodes(own.remap) : own.remap;
  const nCodes = used ? tokensOf(used.length, own.unknown_index ?? 'random').count : nEmbed;
  const stride = strideOf((chMult ?? backboneSchema.chMult.fallback!).length);
  return { nEmbed, nCodes, codesPerSide: (size) => Math.floor(size / stride) };
}
