/** Which settings make a VectorQuantizer LlamaGen's (arXiv 2406.06525, section 3.1). */

/** Settings of LlamaGen's quantizer; with any of them `legacy` may be left out, and indices are [B, h, w]. */
export const llamaGen = ['l2Norm', 'entropyLossRatio', 'showUsage', 'usageWindow'] as const;

/** Returns whether one of LlamaGen's settings is given; one that is false is not, because that is the default. */
export function isLlamaGen(settings: Readonly<Partial<Record<(typeof llamaGen)[number], unknown>>>): boolean {
  return llamaGen.some((name) => (settings[name] ?? false) !== false);
}
