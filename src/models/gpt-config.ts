export interface GPTConfig {
  /** Number of token ids, conditioning tokens included. */
  vocabSize: number;
  /** Longest sequence, conditioning and prepended embeddings included. */
  blockSize: number;
  /** Default 12. */
  nLayer?: number;
  /** Default 8. Must divide `nEmbd`. */
  nHead?: number;
  /** Width of the model, default 256. */
  nEmbd?: number;
  /** Dropout after the embeddings, default 0. */
  embdPdrop?: number;
  /** Dropout at the end of each residual branch, default 0. */
  residPdrop?: number;
  /** Dropout of the attention weights, default 0. */
  attnPdrop?: number;
  /** The first `nUnmasked` positions see each other in both directions (a prefix language model); default 0. */
  nUnmasked?: number;
}

export type ResolvedConfig = Required<GPTConfig>;

const defaults = {
  nLayer: 12,
  nHead: 8,
  nEmbd: 256,
  embdPdrop: 0,
  residPdrop: 0,
  attnPdrop: 0,
  nUnmasked: 0,
};

/** Sizes of the published transformers; spread one into a config: `new GPT({ ...gptPresets.faceshq })`. */
export const gptPresets = {
  /** 305 M parameters: FacesHQ, D-RIN, S-FLCKR. */
  faceshq: { vocabSize: 1024, blockSize: 512, nLayer: 24, nHead: 16, nEmbd: 1024 },
  /** 1.41 B parameters: class-conditional ImageNet. */
  cin: { vocabSize: 16384, blockSize: 256, nLayer: 48, nHead: 24, nEmbd: 1536 },
  /** 976 M parameters: COCO scene layouts. */
  cocoScenes: {
    vocabSize: 8192,
    blockSize: 348,
    nLayer: 40,
    nHead: 16,
    nEmbd: 1408,
    embdPdrop: 0.1,
    residPdrop: 0.1,
    attnPdrop: 0.1,
  },
  /** 1.05 B parameters: Open Images scene layouts. */
  openImagesScenes: {
    vocabSize: 8192,
    blockSize: 348,
    nLayer: 36,
    nHead: 16,
    nEmbd: 1536,
    embdPdrop: 0.1,
    residPdrop: 0.1,
    attnPdrop: 0.1,
  },
} as const satisfies Record<string, GPTConfig>;

/** Fills in the defaults, and refuses sizes that do not fit together. */
export function resolve(config: GPTConfig): ResolvedConfig {
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  const resolved = { ...defaults, ...given } as ResolvedConfig;
  for (const name of ['vocabSize', 'blockSize', 'nLayer', 'nHead', 'nEmbd'] as const) {
    if (!Number.isSafeInteger(resolved[name]) || resolved[name] < 1) {
      throw new TypeError(`GPT: ${name} must be a positive integer, got ${String(resolved[name])}.`);
    }
  }
  for (const name of ['embdPdrop', 'residPdrop', 'attnPdrop'] as const) {
    if (typeof resolved[name] !== 'number' || !(resolved[name] >= 0 && resolved[name] < 1)) {
      throw new RangeError(`GPT: ${name} must lie in [0, 1), got ${String(resolved[name])}.`);
    }
  }
  const { nEmbd, nHead, nUnmasked, blockSize } = resolved;
  if (nEmbd % nHead !== 0) {
    throw new RangeError(`GPT: nEmbd (${nEmbd}) must be a multiple of nHead (${nHead}).`);
  }
  if (!Number.isSafeInteger(nUnmasked) || nUnmasked < 0 || nUnmasked > blockSize) {
    throw new RangeError(
      `GPT: nUnmasked must be an integer from 0 to blockSize (${blockSize}), got ${nUnmasked}.`,
    );
  }
  return resolved;
}
