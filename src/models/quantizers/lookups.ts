/**
 * Rules that choose a code for a latent z: the nearest one (argmin |z − e|, VQGAN), or the one with the largest dot product
 * (argmax z·e, IBQ and Emu3.5) or cosine (argmax of the dot product of both at length 1, ViT-VQGAN and LlamaGen).
 */
export type Lookup = 'nearest' | 'dot' | 'cosine';

/** All lookup rules. */
export const lookups = ['nearest', 'dot', 'cosine'] as const satisfies readonly Lookup[];
